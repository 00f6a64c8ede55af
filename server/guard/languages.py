"""What the guard knows about a language: its family, and a file name that tools understand."""

from __future__ import annotations

from typing import Literal

Family = Literal[
    "python", "javascript", "c", "java", "csharp", "php", "go", "ruby", "rust", "settings", "other"
]

_FAMILIES: dict[str, Family] = {
    "python": "python",
    "javascript": "javascript",
    "javascriptreact": "javascript",
    "typescript": "javascript",
    "typescriptreact": "javascript",
    "vue": "javascript",
    "svelte": "javascript",
    "c": "c",
    "cpp": "c",
    "objective-c": "c",
    "objective-cpp": "c",
    "java": "java",
    "kotlin": "java",
    "scala": "java",
    "groovy": "java",
    "csharp": "csharp",
    "php": "php",
    "go": "go",
    "ruby": "ruby",
    "rust": "rust",
    "yaml": "settings",
    "toml": "settings",
    "ini": "settings",
    "properties": "settings",
    "dotenv": "settings",
    "dockerfile": "settings",
    "shellscript": "settings",
}

_FILE_NAMES: dict[Family, str] = {
    "python": "suggestion.py",
    "javascript": "suggestion.js",
    "c": "suggestion.cpp",
    "java": "suggestion.java",
    "csharp": "suggestion.cs",
    "php": "suggestion.php",
    "go": "suggestion.go",
    "settings": "suggestion.yaml",
}


def family(language: str) -> Family:
    """The family of an LSP language identifier; unknown ones are `other`."""
    return _FAMILIES.get(language.lower(), "other")


def file_name(language: str) -> str:
    """A name by which a tool that looks at file extensions takes the text for `language`."""
    return _FILE_NAMES.get(family(language), "suggestion.txt")
