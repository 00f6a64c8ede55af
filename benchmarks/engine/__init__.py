"""The local engine against its peers on the same weights and the same prompts."""
