"""From an endpoint to the pool and back."""

import asyncio
import os
import secrets
import shutil
from pathlib import Path

from keras_selfattn.serve.service_error import ServiceError


class Service:
    """What the endpoints share.

    Args:
        models: list of ServedModel.
        settings: Settings.
        pool: `Pool`, started.
        figures: `Figures`.
        folder: path of a folder of this process, for recordings.
        search: `FolderSearch`, or None.
    """

    def __init__(self, models, settings, pool, figures, folder, search=None):
        self.models, self.settings = models, settings
        self.pool, self.figures = pool, figures
        self.folder, self.search = Path(folder), search

    async def answer(self, model, size, **asked):
        """Have the pool answer.

        Args:
            model: ServedModel.
            size: int, how much there is to read.
            **asked: see `worker.Answerer.answer`.

        Returns:
            dict, the answer.

        Raises:
            ServiceError: 429 or 503, not accepted; 504, too late; what the
                worker says.
        """
        future = asyncio.wrap_future(self.pool.submit(model.name, asked, size))
        try:
            async with asyncio.timeout(self.settings.time_limit_s):
                status, answer = await future
        except TimeoutError:
            raise ServiceError(
                504,
                f"No answer within {self.settings.time_limit_s:g} s.",
                "timeout",
            ) from None
        if status == 200:
            return answer
        codes = {400: "invalid_value", 413: "too_large", 504: "timeout"}
        raise ServiceError(status, answer, codes.get(status, "worker_failed"))

    async def keep(self, upload):
        """Write an uploaded recording to a file of ours.

        The name that the client gave it is not used.

        Args:
            upload: starlette UploadFile.

        Returns:
            path; whoever asked for it removes it.
        """
        path = self.folder / secrets.token_hex(16)

        def copy():
            # Of this user alone.
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "wb") as out:
                shutil.copyfileobj(upload.file, out)

        await asyncio.to_thread(copy)
        return path
