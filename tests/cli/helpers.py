"""What every refusal of the command line looks like."""


def assert_refused(result, message):
    code, out, err = result
    assert code == 2
    assert out == ""
    assert message in err
    assert err.startswith("sklearn_ae: error: ")
    assert err.count("\n") == 1
