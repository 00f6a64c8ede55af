"""The recipe of the embedded model, from public sources to `server/default_model/`."""
