"""Our own forward pass of the Llama and Qwen families on the CPU: their weights, ready to multiply.

`decoder_of` reads a transformers module and shares its weights; where it knows the architecture
not to the last detail it says None, and transformers' own modules are used instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding, rms_norm, silu

from server.engine.kernels import (
    FEW_ROWS,
    MANY_ROWS,
    Exact,
    Linear,
    Product,
    Rounding,
    has_fast_bfloat16,
    head,
)
from server.engine.native.step import HEAD_STEP, Layer, Step

FAMILIES = ("llama", "qwen2", "qwen3")
STEADY_ROTATIONS = ("default", "linear", "llama3")
"""Kinds of rotary embedding whose angles do not depend on the length of the text."""
CACHE_BYTES = 32 * 2**20
"""Layers that fit a processor's last cache stay exact."""
LEAST_INT8_HEAD = 2**20
"""With fewer weights than this, packing the head wins nothing."""
PRODUCTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "queries_keys_values": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "after_attention": ("self_attn.o_proj",),
        "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
        "down": ("mlp.down_proj",),
    }
)
"""The products of a block, and the modules of a layer whose weights each one multiplies with."""


@dataclass(frozen=True, eq=False)
class Norm:
    """Division by the root mean square, times a weight."""

    weight: Tensor
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or len(x) > 1:
            return rms_norm(x, self.weight.shape, self.weight, self.epsilon)
        # torch takes rms_norm apart on the CPU: for one row a dot product is several times faster
        [row] = x
        square = float(torch.dot(row, row)) / len(row)
        return (row * (square + self.epsilon) ** -0.5).mul_(self.weight)[None]

    @property
    def parts(self) -> tuple[Tensor, float]:
        """As our own code takes it."""
        return self.weight, self.epsilon


@dataclass(frozen=True, eq=False)
class Block:
    """The weights of one layer."""

    before_attention: Norm
    queries_keys_values: Product
    query_norm: Norm | None
    key_norm: Norm | None
    after_attention: Product
    before_mlp: Norm
    gate_up: Product
    down: Product

    def mlp(self, x: Tensor) -> Tensor:
        """x (rows, width), not yet normed."""
        gate, up = self.gate_up(self.before_mlp(x)).chunk(2, dim=-1)
        return self.down(silu(gate) * up)


@dataclass(frozen=True, eq=False)
class Decoder:
    """A whole model. All arithmetic is float32 but for what `Linear` packs."""

    embeddings: Tensor
    """(vocabulary, width)"""
    blocks: tuple[Block, ...]
    last_norm: Norm
    head: Product
    heads: int
    key_heads: int
    head_width: int
    angles: Tensor
    """(head width / 2,), per position."""
    angle_scale: float
    rounding: Rounding
    """Of the weights in the blocks, for few rows."""

    def embed(self, ids: Tensor) -> Tensor:
        """ids (rows,); (rows, width) float32."""
        return embedding(ids, self.embeddings).float()

    def rotation(self, tokens: int) -> tuple[Tensor, Tensor]:
        """Cosines and signed sines of `tokens` positions: (tokens, 1, head width) each."""
        angle = torch.outer(torch.arange(tokens, dtype=torch.float32), self.angles)
        cosine, sine = angle.cos() * self.angle_scale, angle.sin() * self.angle_scale
        return torch.cat([cosine, cosine], -1)[:, None], torch.cat([-sine, sine], -1)[:, None]

    def turned(
        self, block: Block, x: Tensor, cosine: Tensor, sine: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (rows, their heads, head width), the first two turned.

        x (rows, width); cosine and sine of the rows' positions, as `rotation` gives them.
        """
        both = self.heads + self.key_heads
        found = block.queries_keys_values(block.before_attention(x))
        found = found.view(len(x), both + self.key_heads, self.head_width)
        turned, values = found[:, :both], found[:, both:]
        if block.query_norm is not None and block.key_norm is not None:
            queries = block.query_norm(turned[:, : self.heads])
            turned = torch.cat([queries, block.key_norm(turned[:, self.heads :])], dim=1)
        turned = torch.addcmul(turned * cosine, turned.roll(self.head_width // 2, dims=-1), sine)
        return turned[:, : self.heads], turned[:, self.heads :], values

    def products(self) -> dict[tuple[str, ...], Product]:
        """What multiplies in the blocks, by the names of the modules whose weights it has."""
        return {
            names: getattr(block, part)
            for i, block in enumerate(self.blocks)
            for part, names in _names(i).items()
        }

    def with_products(self, changed: Mapping[tuple[str, ...], Product]) -> Decoder:
        """The same, but for what multiplies with the modules of these names."""
        blocks = [
            replace(block, **{p: changed[n] for p, n in _names(i).items() if n in changed})
            for i, block in enumerate(self.blocks)
        ]
        return replace(self, blocks=tuple(blocks))

    @cached_property
    def step(self) -> Step | None:
        """All layers in one call; None where our own code does not do all of them."""
        layers = [layer for b in self.blocks if (layer := _layer(b)) is not None]
        if len(layers) < len(self.blocks) or self.head_width % HEAD_STEP:
            return None
        return Step(
            layers,
            self.last_norm.parts,
            rows=FEW_ROWS if has_fast_bfloat16() else MANY_ROWS,
            heads=self.heads,
            key_heads=self.key_heads,
            head_width=self.head_width,
        )

    @property
    def size_bytes(self) -> int:
        """Memory held beyond the module's own weights."""
        return self.head.size_bytes + sum(one.size_bytes for one in self.products().values())


def decoder_of(model: Any, *, is_packed: bool = True) -> Decoder | None:
    """The decoder over a transformers module on the CPU; None where it is another architecture.

    `is_packed`: narrower copies of the weights for few rows, where they are worth it.
    """
    config = model.config
    if not _is_known(model, config):
        return None
    inner, rotary = model.model, model.model.rotary_emb
    layer_bytes = 4 * sum(p.numel() for p in inner.layers.parameters())
    rounding: Rounding = "none"
    if is_packed:
        rounding = "bytes" if layer_bytes > CACHE_BYTES else "lossless"
    with torch.inference_mode():
        return Decoder(
            embeddings=inner.embed_tokens.weight,
            blocks=tuple(_block(layer, rounding) for layer in inner.layers),
            last_norm=_norm(inner.norm),
            head=_head(model, is_packed),
            heads=config.num_attention_heads,
            key_heads=config.num_key_value_heads,
            head_width=inner.layers[0].self_attn.head_dim,
            angles=rotary.inv_freq.float(),
            angle_scale=float(rotary.attention_scaling),
            rounding=rounding,
        )


def product_of(model: Any, names: tuple[str, ...], rounding: Rounding) -> Product:
    """What multiplies with the weights of these modules, that share their input."""
    modules = [model.get_submodule(name) for name in names]
    return Linear([m.weight for m in modules], [m.bias for m in modules], rounding)


def _head(model: Any, is_packed: bool) -> Product:
    weight, bias, embeddings = (
        model.lm_head.weight,
        model.lm_head.bias,
        model.model.embed_tokens.weight,
    )
    if not is_packed or weight.numel() < LEAST_INT8_HEAD:
        return Exact([weight], [bias])
    # `load_model` turns the head: the embeddings it is tied to still lie row by row
    return head(embeddings if torch.equal(weight, embeddings) else weight, bias)


def _is_known(model: Any, config: Any) -> bool:
    if model.device.type != "cpu" or config.model_type not in FAMILIES:
        return False
    layers = getattr(config, "layer_types", None) or ["full_attention"]
    rope: dict[str, Any] = getattr(config, "rope_parameters", None) or {}
    rotation = rope.get("rope_type", "default")
    return (
        all(kind == "full_attention" for kind in layers)
        and rotation in STEADY_ROTATIONS
        and config.hidden_act == "silu"
    )


def _layer(block: Block) -> Layer | None:
    products = [getattr(block, part) for part in PRODUCTS]
    native = [one.native if isinstance(one, Linear) else None for one in products]
    first, second, third, last = native
    if first is None or second is None or third is None or last is None:
        return None
    norms = (
        block.before_attention.parts,
        None if block.query_norm is None else block.query_norm.parts,
        None if block.key_norm is None else block.key_norm.parts,
        block.before_mlp.parts,
    )
    return Layer(norms, (first, second, third, last))


def _block(layer: Any, rounding: Rounding) -> Block:
    return Block(
        before_attention=_norm(layer.input_layernorm),
        query_norm=_optional_norm(layer.self_attn, "q_norm"),
        key_norm=_optional_norm(layer.self_attn, "k_norm"),
        before_mlp=_norm(layer.post_attention_layernorm),
        **{part: product_of(layer, names, rounding) for part, names in PRODUCTS.items()},
    )


def _names(layer: int) -> dict[str, tuple[str, ...]]:
    """PRODUCTS with the names that the modules of one layer have in the whole model."""
    return {
        part: tuple(f"model.layers.{layer}.{name}" for name in names)
        for part, names in PRODUCTS.items()
    }


def _optional_norm(attention: Any, name: str) -> Norm | None:
    found = getattr(attention, name, None)
    return None if found is None else _norm(found)


def _norm(module: Any) -> Norm:
    return Norm(module.weight.detach().float(), float(module.variance_epsilon))
