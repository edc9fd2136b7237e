r"""Equations as MathML, which browsers draw by themselves, without a network.

Two things differ from LaTeX: an accent stands over letter and index, ``\tilde{x_i}``,
and what a fraction consists of is in braces, ``\tfrac{1}{2}``.
"""

import re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

# What would be drawn wrongly, without an error.
_WRONG = re.compile(r"\\(tilde|hat|bar)(\s+\w|\{\w\})[_^]|\\[td]?frac\s*[^{\s]")


def _convert(node):
    if wrong := _WRONG.search(node.astext()):
        raise ValueError(f"{wrong[0]!r} needs braces, see docs/mathml.py.")
    return tex2mathml(node.astext())


def _draw_inline(writer, node):
    writer.body.append(_convert(node))
    raise nodes.SkipNode


def _draw_block(writer, node):
    equation = _convert(node)
    equation = equation.replace("<math ", '<math display="block" ', 1)
    writer.body.append(f'<div class="equation">{equation}</div>')
    raise nodes.SkipNode


def setup(app):
    """Let Sphinx know the renderer."""
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(_draw_inline, None),
        block_renderers=(_draw_block, None),
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
