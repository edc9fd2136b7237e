"""Equations as MathML, which browsers draw by themselves, without a network."""

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def _draw_inline(writer, node):
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _draw_block(writer, node):
    equation = tex2mathml(node.astext())
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
