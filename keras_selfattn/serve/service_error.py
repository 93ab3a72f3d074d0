"""What goes wrong with a request, as a status and in the shape it is told in.

OpenAI's clients read `{"error": {"message", "type", "param", "code"}}`;
LibreTranslate's read `{"error": "message"}`.
"""

from starlette.responses import JSONResponse

# Paths of LibreTranslate's own names; their errors have its shape.
LIBRETRANSLATE = ("/translate", "/languages")
_TYPES = {
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class ServiceError(Exception):
    """A request that is not answered; becomes a response.

    Args:
        status: int, HTTP status, 4xx or 5xx.
        message: str, one sentence or two, for a person.
        code: str, for a program: "invalid_value", "model_not_found", ...
        param: str, name of the field that is wrong, or None.
        headers: dict of further headers, or None.
    """

    def __init__(self, status, message, code=None, param=None, headers=None):
        super().__init__(message)
        self.status, self.message = status, message
        self.code, self.param = code, param
        self.headers = dict(headers or {})

    def body(self, path="/v1"):
        """The body of the response, as a dict.

        Args:
            path: str, path of the request.
        """
        if path in LIBRETRANSLATE:
            return {"error": self.message}
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {
            "error": {
                "message": self.message,
                "type": _TYPES.get(self.status, kind),
                "param": self.param,
                "code": self.code,
            }
        }

    def response(self, path="/v1"):
        """The response; see `body`."""
        return JSONResponse(
            self.body(path), self.status, headers=dict(self.headers)
        )
