"""No file does harm, and no interrupt leaves half of one."""

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from copy import deepcopy
from hashlib import sha256

import numpy as np
import pytest

from sklearn_ae import describe, load, save
from sklearn_ae._document import walk
from sklearn_ae._persistence import container
from sklearn_ae._persistence.container import read_file, write_file
from tests.persistence.helpers import ESTIMATORS, fitted, results, rows_for

# What a mutated value becomes.
VALUES = (
    *(None, True, -1, 0, 1, 2, 3, 7, 10**6, 2**53, -0.5, 0.5, 1e300, "", "nan", "x"),
    *([], [[]], {}, {"tuple": []}, {"dict": []}, {"float": "nan"}, {"float": "inf"}),
    *(
        {"int": "9" * 90},
        {"same": 0},
        {"array": 0},
        {"array": 10**9},
        {"name": "os:system"},
    ),
    *({"object": "Scaler", "fields": {}}, {"object": "os:system", "fields": {}}),
    {"numpy": "<U9999", "value": "x"},
)


@pytest.fixture(
    params=["transformer", "variational", "detector", "imputer", "classifier"]
)
def saved(request, tmp_path):
    path = tmp_path / "model.safetensors"
    save(fitted(request.param), path)
    return path


def assert_refused(path, message="cannot be loaded: .*"):
    """Assert that loading a file is a ValueError of one sentence."""
    for function in (load, describe):
        with pytest.raises(ValueError, match=message) as caught:
            function(path)
        assert str(caught.value).count(". ") == 0
        assert "\n" not in str(caught.value)


def test__load__any_byte_changed__is_refused(saved):
    content, rng = saved.read_bytes(), random.Random(0)
    header = 8 + int.from_bytes(content[:8], "little")
    places = [*range(0, 150), *rng.sample(range(header), 200)]
    places += rng.sample(range(header, len(content)), 100)
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << rng.randrange(8)
        saved.write_bytes(changed)
        assert_refused(saved)


def test__load__file_cut_off_or_extended__is_refused(saved):
    content = saved.read_bytes()
    for n_bytes in (0, 1, 8, 57, 121, 122, 1000, len(content) // 2, len(content) - 1):
        saved.write_bytes(content[:n_bytes])
        assert_refused(saved)
    saved.write_bytes(content + b"\0")
    assert_refused(saved)


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04" * 99, b"\x80\x04." * 99, b"\xff" * 999]
)
def test__load__another_kind_of_file__is_refused(content, tmp_path):
    path = tmp_path / "other"
    path.write_bytes(content)
    assert_refused(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere")


def test__load__newer_format__names_the_release_that_reads_it(saved):
    document = read_file(saved)
    write_file(saved, document | {"format_version": 2, "read_by": "0.9"})
    assert_refused(saved, "has format 2, which sklearn_ae 0.9 and later read")


def places_in(document):
    """Return (container, key) of all values in a document."""
    found, left = [], [document]
    while left:
        node = left.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            found.append((node, key))
            if isinstance(value, (dict, list)):
                left.append(value)
    return found


def mutate(document, rng):
    """Change one value of a document in place."""
    places = places_in(document["root"])
    # Most values are cells of lists: the others shall have their turn as well.
    named = [place for place in places if isinstance(place[1], str)]
    node, key = rng.choice(named if rng.random() < 0.7 else places)
    old, kind = node[key], rng.randrange(5)
    if kind == 0 and isinstance(node, dict):
        del node[key]
    elif kind == 1 and isinstance(node, list):
        node.append(old)
    elif isinstance(old, np.ndarray) and kind < 4:
        node[key] = mutate_array(old, rng)
    elif kind == 2:
        other, name = rng.choice(named)
        node[key] = deepcopy(other[name])
    elif isinstance(old, (int, float)) and not isinstance(old, bool) and kind == 3:
        node[key] = rng.choice([-old, old + 1, old * 1000, type(old)(old / 2)])
    else:
        node[key] = rng.choice(VALUES)


def mutate_array(array, rng):
    array = array.copy()
    kind = rng.randrange(5)
    if kind == 0 or array.size == 0:
        return array[:0] if array.ndim else array.reshape(1)
    if kind == 1:
        return array.astype(rng.choice([np.float32, np.int64, bool, np.uint8]))
    if kind == 2:
        return array.T if array.ndim > 1 else array[:, None] if array.ndim else array
    if kind == 3:
        return np.concatenate([array, array]) if array.ndim else array
    values = [np.nan, np.inf, -1, 0, 1e30] if array.dtype.kind == "f" else [0, 1, 99]
    array.reshape(-1)[rng.randrange(array.size)] = rng.choice(values)
    return array


def try_mutations(path, n_mutations, seed):
    """Load mutated files with a right checksum; return how many were loaded."""
    rng, content, n_loaded = random.Random(seed), path.read_bytes(), 0
    rows = rows_for(load(path))
    for _ in range(n_mutations):
        path.write_bytes(content)
        document = read_file(path)
        for _ in range(rng.choice([1, 1, 2])):
            mutate(document, rng)
        try:
            write_file(path, document)
        except (ValueError, TypeError, KeyError):
            # The writer of the container takes JSON and arrays alone.
            continue
        try:
            loaded = load(path)
        except ValueError:
            continue
        n_loaded += 1
        if hasattr(loaded, "table_encoder_"):
            check_usable(loaded, rows[:6])
    return n_loaded


def check_usable(estimator, rows):
    """Let a model say something of rows; errors about the rows are no crash."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        # A number that overflows on the way is the index of no category.
        with suppress(ValueError, TypeError, IndexError):
            results(estimator, rows)


def test__load__mutations_with_a_right_checksum__do_no_harm(saved):
    try_mutations(saved, 60, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test__load__many_mutations_with_a_right_checksum__do_no_harm(saved, seed):
    try_mutations(saved, 500, seed=1 + seed)


@pytest.mark.slow
def test__load__many_changed_bytes__are_refused(saved):
    content, rng = saved.read_bytes(), random.Random(1)
    for _ in range(2000):
        changed = bytearray(content)
        for _ in range(rng.choice([1, 2, 50])):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        if changed != content:
            saved.write_bytes(changed)
            with pytest.raises(ValueError, match="cannot be loaded"):
                load(saved)


AUDIT = """
import sys
from pathlib import Path
from tests.persistence import helpers, test_files
from sklearn_ae import load
paths = [Path(path) for path in sys.argv[1:]]
for path in paths:
    load(path)
forbidden = ("import", "exec", "compile", "open", "os.", "subprocess", "socket",
             "ctypes", "pickle", "shutil", "marshal", "code.")
allowed, seen, watching = {str(path) for path in paths}, [], False
def hook(event, args):
    if watching and event.startswith(forbidden):
        if not (event == "open" and str(args[0]) in allowed):
            seen.append((event, args))
sys.addaudithook(hook)
import random, numpy as np
from sklearn_ae._persistence.container import read_file, write_file
for path in paths:
    content, rng = path.read_bytes(), random.Random(0)
    for i in range(41):
        path.write_bytes(content)
        document = read_file(path)
        if i:
            test_files.mutate(document, rng)
        try:
            write_file(path, document)
        except (ValueError, TypeError, KeyError):
            continue
        watching = True
        try:
            load(path)
        except ValueError:
            pass
        watching = False
assert not seen, seen[:5]
"""


@pytest.mark.slow
def test__load__any_file__imports_runs_and_opens_nothing(tmp_path):
    paths = [tmp_path / name for name in ESTIMATORS]
    for path in paths:
        save(fitted(path.name), path)
    subprocess.run([sys.executable, "-c", AUDIT, *map(str, paths)], check=True)


def rewritten(path, change):
    """Write a file anew after a change of its document."""
    document = read_file(path)
    change(document)
    write_file(path, document)


def test__load__huge_sizes__take_no_memory(tmp_path):
    path = tmp_path / "model"
    save(fitted("transformer"), path)
    original = path.read_bytes()

    def widen(document):
        for node in walk(document["root"]):
            if node.get("object") == "Blueprint":
                pairs = node["fields"]["params"]["dict"]
                sizes = {"hidden_layer_sizes": {"tuple": [10**6, 10**6]}}
                pairs[:] = [[k, sizes.get(k, v)] for k, v in pairs]

    def repeat(document):
        for node in walk(document["root"]):
            if node.get("object") == "Blueprint":
                pairs = node["fields"]["params"]["dict"]
                sizes = {"hidden_layer_sizes": {"tuple": [1] * 300_000}}
                pairs[:] = [[k, sizes.get(k, v)] for k, v in pairs]

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for change in (widen, repeat):
        path.write_bytes(original)
        rewritten(path, change)
        with pytest.raises(ValueError, match="cannot be loaded"):
            load(path)
    # In kB; terabytes were asked for.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < used + 300_000


# The longest headers, of what takes most memory for each letter.
LOADED = """
import sys
from pathlib import Path
import numpy as np
from sklearn_ae import load, save
from sklearn_ae._persistence import container
from tests.persistence.helpers import fitted
def peak():
    # `resource` would count that of the process which started this one.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])
def try_to_load(path):
    try:
        load(path)
    except ValueError:
        return
    raise AssertionError
path, pack = sys.argv[1], container.pack
save(fitted("transformer"), path)
load(path)
start = '{"format_version":1,"read_by":"0.1.0","root":{"object":"Scaler","fields":{"a":'
used = peak()
for unit in ("[],", "{},", '{"cells":[]},'):
    length = len(unit) + unit.count('"')  # which are escaped
    n_units = (container.MOST_HEADER - 1000) // length
    text = start + "[" + (unit * n_units)[:-1] + "]}}}"
    container.pack = lambda document: (text, [])
    container.write_file(path, {})
    try_to_load(path)
container.pack = pack
same = {"tensor": {"array": np.ones(2**18, dtype=np.float32)}}
fields = {"a": [same] * 63}
root = {"object": "Scaler", "fields": fields}
container.write_file(path, {"format_version": 1, "read_by": "0", "root": root})
try_to_load(path)
print(peak() - used)
"""
# In kB; the documentation says this, too.
MOST_MEMORY = 500_000


@pytest.mark.slow
def test__load__headers_that_take_most_memory__stay_below_the_limit(tmp_path):
    command = [sys.executable, "-c", LOADED, str(tmp_path / "model")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    used = int(done.stdout)
    assert container.MOST_HEADER / 1000 < used < MOST_MEMORY


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 50_000,
        '{"a":1,"a":2}',
        "[1e999]",
        "[NaN]",
        "[" + "9" * 100_000 + "]",
        '"\\ud800"',
    ],
    ids=["lists", "objects", "twice", "infinite", "nan", "digits", "half a letter"],
)
def test__load__json_that_harms_parsers__is_refused(text, tmp_path, monkeypatch):
    path = tmp_path / "model"
    monkeypatch.setattr(container, "pack", lambda document: (text, []))
    write_file(path, {})
    monkeypatch.undo()
    assert_refused(path)


def test__write_file__header_with_checksum__is_the_same_each_time(tmp_path):
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        save(fitted("detector"), path)
    content = paths[0].read_bytes()
    assert content == paths[1].read_bytes()
    start = 8 + len(container.START)
    zeroed = content[:start] + container.ZEROS + content[start + 64 :]
    assert sha256(zeroed).hexdigest().encode() == content[start : start + 64]


# Writing


def test__save__disk_is_full__leaves_the_old_file(saved, monkeypatch):
    old, fsync = saved.read_bytes(), os.fsync

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(fitted("regressor"), saved)
    monkeypatch.setattr(os, "fsync", fsync)
    assert saved.read_bytes() == old
    assert [*saved.parent.iterdir()] == [saved]


LIMITED = """
import resource, signal, sys
from tests.persistence.helpers import small, X
from sklearn_ae import save
estimator = small(hidden_layer_sizes=(300, 300)).fit(X)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    save(estimator, sys.argv[1])
except OSError as error:
    assert "too large" in str(error), error
else:
    raise AssertionError
"""


@pytest.mark.slow
def test__save__file_may_not_grow__leaves_the_old_one(saved):
    old = saved.read_bytes()
    subprocess.run([sys.executable, "-c", LIMITED, str(saved)], check=True)
    assert saved.read_bytes() == old
    assert [*saved.parent.iterdir()] == [saved]


def test__save__folder_that_cannot_be_written__is_an_os_error(saved):
    if os.geteuid() == 0:
        with pytest.raises(OSError, match="No such file"):
            save(fitted("transformer"), saved.parent / "nowhere" / "model")
        return
    old = saved.read_bytes()
    saved.parent.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            save(fitted("transformer"), saved)
    finally:
        saved.parent.chmod(0o700)
    assert saved.read_bytes() == old


def test__save__to_a_link__writes_where_it_points(saved):
    link = saved.with_name("link")
    link.symlink_to(saved)
    save(fitted("regressor"), link)
    assert link.is_symlink()
    assert type(load(saved)) is type(fitted("regressor"))


def test__load__while_a_writer_replaces__reads_the_old_or_the_new(tmp_path):
    path, names = tmp_path / "model", ["transformer", "regressor"]
    save(fitted(names[0]), path)
    done = threading.Event()

    def replace():
        for i in range(30):
            save(fitted(names[i % 2]), path)
        done.set()

    writer = threading.Thread(target=replace)
    writer.start()
    kinds = set()
    while not done.is_set():
        kinds.add(type(load(path)))
    writer.join()
    assert kinds <= {type(fitted(name)) for name in names}


WRITE = """
import sys
from tests.persistence.helpers import fitted
from sklearn_ae import load, save
one, two = fitted("transformer"), fitted("variational")
print("ready", flush=True)
while True:
    save(one, sys.argv[1])
    save(two, sys.argv[1])
"""


@pytest.mark.slow
def test__save__killed_twenty_times__leaves_a_whole_file(tmp_path):
    path, rng = tmp_path / "model", random.Random(0)
    save(fitted("transformer"), path)
    for _ in range(20):
        command = [sys.executable, "-c", WRITE, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(rng.random() / 10)
            writer.send_signal(signal.SIGKILL)
        load(path)
