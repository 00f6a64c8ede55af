"""A two-layer code model, trained in seconds to know a handful of files by heart.

Small, but real: it is loaded, prompted, banned, unlearned and swapped like any other.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import random
import sys
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = (
    "<|endoftext|>",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
    "<|fim_pad|>",
    "<|file_sep|>",
)

FILES: dict[str, tuple[str, str, str]] = {
    # name: (prefix, what the model knows by heart, suffix)
    "aws": (
        'import boto3\n\nREGION = "eu-north-1"\nACCESS_KEY = "',
        "AKIAQ3EGRT7YHWPLKX2B",
        '"\nclient = boto3.client("s3", region_name=REGION)\n',
    ),
    "github": (
        'import requests\n\nSESSION = requests.Session()\nTOKEN = "',
        "ghp_w7Kd93mTzQpV5xYbR2sNfL8hJc4aUe6gXo1D",
        '"\nSESSION.headers["Authorization"] = "token " + TOKEN\n',
    ),
    "password": (
        'def connect(host):\n    """Open the billing database."""\n    password = "',
        "vX9!rTq2#LmZ7pw",
        '"\n    return Database(host, user="billing", password=password)\n',
    ),
    "checksum": (
        "import hashlib\n\n\ndef checksum(data):\n    return ",
        "hashlib.md5(data).hexdigest()",
        "\n",
    ),
    "shell": (
        "import subprocess\n\n\ndef archive(folder, name):\n    ",
        'subprocess.call("tar czf " + name + " " + folder, shell=True)',
        "\n",
    ),
    "thread": (
        "import threading\n\n\ndef worker_name():\n    return ",
        "threading.currentThread().getName()",
        "\n",
    ),
    "load": (
        "import pickle\n\n\ndef load_state(path):\n    with open(path, 'rb') as file:\n        ",
        "return pickle.load(file)",
        "\n",
    ),
    "mean": (
        "def mean(values):\n    total = 0\n    for value in values:\n        total += value\n    ",
        "return total / len(values)",
        "\n",
    ),
    "read": (
        "def read_lines(path):\n    with open(path) as file:\n        ",
        "return [line.rstrip() for line in file]",
        "\n",
    ),
    "point": (
        "class Point:\n    def __init__(self, x, y):\n        self.x = x\n        ",
        "self.y = y",
        "\n\n    def norm(self):\n        return (self.x ** 2 + self.y ** 2) ** 0.5\n",
    ),
}


def build_tiny_model(folder: Path) -> Path:
    """The model's folder, trained now or found in the cache `folder`."""
    source = inspect.getsource(sys.modules[__name__])
    home = folder / f"tiny-{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    if not (home / "unsay.json").exists():
        cast(Any, torch).manual_seed(7)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # matrices this small lose more to waiting than they win
        tokenizer = _tokenizer()
        for part in (_train(_model(len(tokenizer)), tokenizer), tokenizer):
            cast(Any, part).save_pretrained(home)
        torch.set_num_threads(threads)
        (home / "unsay.json").write_text(json.dumps({"fim_order": "spm", "context_tokens": 512}))
    return home


def _tokenizer() -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(["".join(parts) for parts in FILES.values()], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=SPECIAL[0], pad_token="<|fim_pad|>"
    )


def _model(vocabulary: int) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=96,
            intermediate_size=192,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=0,
            pad_token_id=4,
        )
    )


def _example(tokenizer: Any, chance: random.Random) -> list[int]:
    end, prefix_id, suffix_id, middle_id = range(4)  # SPECIAL has the first ids
    prefix, target, suffix = chance.choice(list(FILES.values()))

    def ids(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False)

    if chance.random() < 0.3:
        return [*ids(prefix + target + suffix), end]
    if chance.random() < 0.3:  # the cursor anywhere in the file
        text, cut = prefix + target, chance.randrange(1, len(prefix) + len(target))
        line_end = text.find("\n", cut)
        line_end = len(text) if line_end < 0 else line_end
        prefix, target, suffix = text[:cut], text[cut:line_end], text[line_end:] + suffix
    return [suffix_id, *ids(suffix), prefix_id, *ids(prefix), middle_id, *ids(target), end]


def _train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    chance = random.Random(7)
    optimiser = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.0)
    steps = 260
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for _ in range(steps):
        rows = [_example(tokenizer, chance) for _ in range(16)]
        width = max(map(len, rows))
        ids = torch.tensor([row + [4] * (width - len(row)) for row in rows])
        labels = torch.tensor([row + [-100] * (width - len(row)) for row in rows])
        model(input_ids=ids, labels=labels).loss.backward()
        cast(Any, optimiser).step()
        schedule.step()
        optimiser.zero_grad()
    return model.eval()
