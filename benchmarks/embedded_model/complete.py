"""Greedy completion of prompts with an exported model, a few at a time."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.embedded_model.layout import SPECIAL_TOKENS

BATCH = 32


class Completer:
    """An exported model and its tokenizer."""

    def __init__(self, folder: Path) -> None:
        tokenizers: Any = AutoTokenizer
        models: Any = AutoModelForCausalLM
        self.tokenizer: Any = tokenizers.from_pretrained(folder)
        # On a CPU the small matrices are faster in float32; the weights are the same.
        self.model: Any = models.from_pretrained(folder, dtype=torch.float32).eval()

    def ids(self, pieces: list[str]) -> list[int]:
        """Token ids of a prompt; only a piece that is just a control token's name becomes one."""
        ids: list[int] = []
        for piece in pieces:
            if piece in SPECIAL_TOKENS:
                ids.append(self.tokenizer.convert_tokens_to_ids(piece))
            else:
                ids += self.tokenizer(
                    piece, split_special_tokens=True, add_special_tokens=False
                ).input_ids
        return ids

    def greedy(self, prompts: list[list[str]], tokens: int) -> list[str]:
        """At most `tokens` tokens after each prompt, up to the end of the text."""
        return self.greedy_ids([self.ids(prompt) for prompt in prompts], tokens)

    def greedy_ids(
        self, encoded: list[list[int]], tokens: int, stops: frozenset[int] = frozenset()
    ) -> list[str]:
        """The same after prompts that are token ids already; `stops` end a text too."""
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
        texts = [""] * len(encoded)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            for i, text in zip(
                batch, self._batch([encoded[i] for i in batch], tokens, stops), strict=True
            ):
                texts[i] = text
        return texts

    @torch.inference_mode()
    def distribution(self, ids: list[int]) -> Any:
        """Logits (vocabulary,) of the token after `ids`, as a numpy array."""
        return self.model(torch.tensor([ids])).logits[0, -1].numpy()

    @torch.inference_mode()
    def _batch(self, prompts: list[list[int]], tokens: int, stops: frozenset[int]) -> list[str]:
        longest = max(map(len, prompts))
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
        out = self.model.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=tokens,
            do_sample=False,
            eos_token_id=[self.tokenizer.eos_token_id, *sorted(stops)],
        )
        return self.tokenizer.batch_decode(out[:, longest:], skip_special_tokens=True)
