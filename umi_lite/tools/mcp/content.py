"""The result of an MCP tool as text: images and other bytes become a line that names them."""

import json
from typing import Any


def content_text(result: Any) -> str:
    """Return a `CallToolResult` as text.

    Its texts, joined by line feeds; `[image image/png, 1200 bytes]` for what is not text;
    `structuredContent` as JSON where it has no content at all.
    """
    parts = [text for block in result.content if (text := _block_text(block))]
    if not parts and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    # Half a surrogate pair could be neither tokenized nor written to a trace.
    return "\n".join(parts).encode("utf-8", "replace").decode()


def _block_text(block: Any) -> str:
    match block.type:
        case "text":
            return block.text
        case "image" | "audio":
            return f"[{block.type} {block.mime_type}, {_bytes(block.data)} bytes]"
        case "resource_link":
            about = f": {block.description}" if block.description else ""
            return f"[resource {block.uri} {block.name}{about}]"
        case "resource":
            resource = block.resource
            if isinstance(text := getattr(resource, "text", None), str):
                return text
            kind = resource.mime_type or "application/octet-stream"
            return f"[resource {resource.uri} {kind}, {_bytes(resource.blob)} bytes]"
        case other:
            return f"[{other}]"


def _bytes(base64: str) -> int:
    return len(base64.rstrip("=")) * 3 // 4
