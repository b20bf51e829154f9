"""LangChain as a client of ours. Run by the clients' own interpreter: URL KEY."""

import json
import sys

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
SCHEMA = {
    "title": "Count",
    "description": "A number.",
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
}


def main(url: str, key: str) -> None:
    to = {"base_url": f"{url}/v1", "api_key": key, "max_retries": 0}
    chat = ChatOpenAI(model="sim-large", stream_usage=True, **to)
    messages = [SystemMessage("Be brief."), HumanMessage("What is a checkpoint?")]
    found = {}
    whole = chat.invoke(messages)
    found["text"] = whole.content
    found["finish"] = whole.response_metadata["finish_reason"]
    found["usage"] = [whole.usage_metadata[name] for name in ("input_tokens", "output_tokens")]
    chunks = list(chat.stream(messages))
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    found["pieces"] = len(chunks)
    found["streamed"] = total.content
    found["streamed_usage"] = [
        total.usage_metadata[name] for name in ("input_tokens", "output_tokens")
    ]
    tooled = chat.bind_tools([WEATHER])
    question = HumanMessage("[[tool]] Weather?")
    asked = tooled.invoke([question])
    found["tool"] = [asked.tool_calls[0]["name"], "city" in asked.tool_calls[0]["args"]]
    answer = ToolMessage("Rain", tool_call_id=asked.tool_calls[0]["id"])
    found["after_tool"] = bool(chat.invoke([question, asked, answer]).content)
    for method in ("json_schema", "function_calling"):
        counted = chat.with_structured_output(SCHEMA, method=method).invoke("[[tool]] Count")
        found[method] = counted
    vectors = OpenAIEmbeddings(model="sim-embed", check_embedding_ctx_length=False, **to)
    found["vectors"] = [len(one) for one in vectors.embed_documents(["one text", "another"])]
    near, far = vectors.embed_documents(["invoice due", "penguin"])
    query = vectors.embed_query("due invoice")
    found["near"] = sum(a * b for a, b in zip(query, near, strict=True))
    found["far"] = sum(a * b for a, b in zip(query, far, strict=True))
    print(json.dumps(found))


main(*sys.argv[1:])
