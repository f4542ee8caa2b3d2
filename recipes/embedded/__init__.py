"""The programs that write the embedded models (package voicekit-models) from files that package indexes carry."""
