"""Fine-tuning of the chat model: examples in, an adapter in a folder out. The loop knows nothing of voices."""
