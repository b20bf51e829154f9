"""LiteLLM as a client of ours. Run by the clients' own interpreter: URL KEY."""

import json
import sys

import litellm

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def main(url: str, key: str) -> None:
    to = {"api_base": f"{url}/v1", "api_key": key, "num_retries": 0, "timeout": 30}

    def ask(text: str, **values):
        messages = [{"role": "user", "content": text}]
        return litellm.completion(model="openai/sim-large", messages=messages, **to, **values)

    found = {}
    whole = ask("What is a checkpoint?")
    found["text"] = whole.choices[0].message.content
    found["finish"] = whole.choices[0].finish_reason
    found["usage"] = [whole.usage.prompt_tokens, whole.usage.completion_tokens]
    chunks = list(ask("What is a checkpoint?", stream=True, stream_options={"include_usage": True}))
    found["streamed"] = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    rebuilt = litellm.stream_chunk_builder(chunks)
    found["streamed_usage"] = [rebuilt.usage.prompt_tokens, rebuilt.usage.completion_tokens]
    tooled = ask("[[tool]] Weather?", tools=TOOLS).choices[0]
    found["tool"] = [tooled.finish_reason, tooled.message.tool_calls[0].function.name]
    streamed = litellm.stream_chunk_builder(
        list(ask("[[tool]] Weather?", tools=TOOLS, stream=True))
    ).choices[0]
    found["streamed_tool"] = [
        streamed.finish_reason,
        streamed.message.tool_calls[0].function.name,
        "city" in json.loads(streamed.message.tool_calls[0].function.arguments),
    ]
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    structured = ask("Give a number", response_format=form)
    found["structured"] = json.loads(structured.choices[0].message.content)
    found["json_object"] = json.loads(
        ask("Give JSON", response_format={"type": "json_object"}).choices[0].message.content
    )
    made = litellm.embedding(model="openai/sim-embed", input=["one text", "another"], **to)
    found["vectors"] = [len(row["embedding"]) for row in made.data]
    short = litellm.embedding(
        model="openai/sim-embed",
        input="short",
        dimensions=8,
        allowed_openai_params=["dimensions"],  # it knows only OpenAI's own models to take them
        **to,
    )
    found["short"] = len(short.data[0]["embedding"])
    found["models"] = litellm.get_valid_models(
        check_provider_endpoint=True,
        custom_llm_provider="openai",
        api_base=url,
        api_key=key,
    )
    errors = {}
    for name, text, model in (
        ("fail", "[[fail]]", "openai/sim-large"),
        ("limit", "[[limit]]", "openai/sim-large"),
        ("model", "x", "openai/gpt-none"),
    ):
        try:
            litellm.completion(model=model, messages=[{"role": "user", "content": text}], **to)
        except Exception as error:
            errors[name] = type(error).__name__
    found["errors"] = errors
    print(json.dumps(found))


main(*sys.argv[1:])
