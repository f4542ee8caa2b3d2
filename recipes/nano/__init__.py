"""The programs that train nano, the embedded base model, from synthetic speech."""
