"""How notebooks show estimators: a link to their documentation, and their network."""

from html import escape
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

PACKAGE = "sklearn_ae"


def documentation_address() -> str:
    """Return the address of the documentation, "" if the package names none."""
    try:
        urls = metadata(PACKAGE).get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    named = dict(url.split(", ", 1) for url in urls)
    return named.get("Documentation", "").rstrip("/")


class HTMLReprMixin:
    """Mixin for estimators whose diagram links to their page and shows a network.

    scikit-learn draws the diagram, and asks for the two names `_doc_link_...`.
    """

    _doc_link_module = PACKAGE

    @property
    def _doc_link_template(self) -> str:
        address = documentation_address()
        page = "generated/{estimator_module}.{estimator_name}.html"
        return f"{address}/{page}" if address else ""

    def _repr_html_inner(self) -> str:
        html = super()._repr_html_inner()  # type: ignore[misc]
        return html + _network_html(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        output = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        if "text/html" in output:
            output["text/html"] += _network_html(self)
        return output


def _network_html(estimator):
    """Return a summary of the trained network to fold out, "" before `fit`."""
    fitted = estimator
    if not hasattr(fitted, "net_"):
        fitted = getattr(estimator, "autoencoder_", None)
    net = getattr(fitted, "net_", None)
    if net is None:
        return ""
    module = net.module_
    n_weights = sum(weights.numel() for weights in module.parameters())
    facts = [f"{fitted.n_features_in_:,} columns"]
    if hasattr(fitted, "n_components_"):
        facts.append(f"{fitted.n_components_:,} latents")
    facts += [f"{n_weights:,} weights", f"{fitted.n_iter_:,} epochs"]
    if fitted.loss_curve_:
        facts.append(f"training loss {fitted.loss_curve_[-1]:.3g}")
    summary = f"Network: {', '.join(facts)}"
    return (
        f"<details><summary>{escape(summary)}</summary>"
        f"<pre>{escape(str(module))}</pre></details>"
    )
