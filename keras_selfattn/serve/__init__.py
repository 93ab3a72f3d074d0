"""An HTTP service over exported files: no Keras, no backend.

`keras-selfattn serve` starts it; it needs the extra `serve` (starlette,
uvicorn). Requests are answered by worker processes, each with its own
interpreters; streams by threads. docs/serving.md says how it is used.
"""
