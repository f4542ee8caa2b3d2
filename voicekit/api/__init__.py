"""The HTTP door: OpenAI's shapes for speech and conversations, and voices, jobs and consents beside them.

factory.py puts the parts together; each of the others is one part. Model work runs on one thread, a piece at a time
(model_thread.py), so that sessions take turns and none disturbs another.
"""
