"""The API of prompt templates: summarise, extract, classify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import Http404, HttpRequest, JsonResponse
from ninja import Router, Schema
from pydantic import ConfigDict, Field, StringConstraints

from llm import prompt_templates
from llm.events import ending, with_record
from llm.prompt_templates import TEMPLATES, UnknownTemplate, places_of, template
from llm.pump import Pump
from llm.schemas import MAX_MESSAGE, CostOut, UsageOut
from llm.screening_consent import ConsentIn
from llm.template_calls import Task, run
from orgs.api_auth import DEFERRED_AUTH, caller_of_call, tenant_of_call
from orgs.api_texts import FILLED_LINE
from orgs.roles import Permission

router = Router(tags=["templates"])

_Word = Annotated[
    str,
    StringConstraints(min_length=1, max_length=80, pattern=FILLED_LINE),
]


class TemplateOut(Schema):
    """One version of a template, in its own words; `$places` are filled from the request."""

    name: str
    version: int
    description: str
    instruction: str


class TextIn(ConsentIn):
    """A text to work on."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=MAX_MESSAGE)
    version: int | None = Field(None, ge=1, le=1000, description="Absent: the newest.")
    provider_id: UUID | None = None
    model: str | None = Field(None, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
    max_tokens: int | None = Field(None, ge=1, le=1_000_000)


class SummariseIn(TextIn):
    """A text to be summarised."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"text": "A long report.", "sentences": 2}]},
    )

    sentences: int = Field(3, ge=1, le=10)
    style: Literal["paragraph", "bullets"] = "paragraph"
    focus: _Word | None = Field(None, description="What matters most to the reader.")


class ExtractIn(TextIn):
    """A text to find things in."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"text": "Ada wrote to Charles.", "kinds": ["person", "date"]}]
        },
    )

    kinds: list[_Word] = Field(min_length=1, max_length=20)


class ClassifyIn(TextIn):
    """A text to be put into categories."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"text": "My parcel is late.", "categories": ["complaint", "praise"]}]
        },
    )

    categories: list[_Word] = Field(min_length=2, max_length=50)
    several: bool = Field(False, description="Whether a text may belong to more than one.")


class ResultOut(Schema):
    """What came of it, and the record that proves it."""

    template: str
    version: int
    provider: str
    region: str
    model: str
    finish_reason: str | None
    usage: UsageOut | None
    cost: CostOut | None
    record_id: UUID | None = Field(description="The record of the ending in the audit log.")
    receipt: str | None


class SummaryOut(ResultOut):
    """A summary, as the model wrote it."""

    summary: str


class PassageOut(Schema):
    """A passage. `start` and `end` are null where it does not stand in the text like that."""

    kind: str
    text: str
    start: int | None = Field(description="Characters from the beginning of the text.")
    end: int | None


class ExtractionOut(ResultOut):
    """What was found."""

    items: list[PassageOut]


class ClassificationOut(ResultOut):
    """The categories; none where the model found none to fit."""

    categories: list[str]


@router.get("", response=list[TemplateOut], summary="List templates")
def list_templates(request: HttpRequest) -> Any:
    """Every template in every version, oldest first. A released version never changes."""
    tenant_of_call(request).require(Permission.CHAT)
    return list(TEMPLATES)


@router.post("/summarise", auth=DEFERRED_AUTH, response=SummaryOut, summary="Summarise")
async def summarise(request: HttpRequest, body: SummariseIn) -> Any:
    """What a text says, shorter. Recorded like a chat, with the template and its version."""
    unit = "sentence" if body.style == "paragraph" else "bullet point"
    number = f"{body.sentences} {unit}" + ("s" if body.sentences > 1 else "")
    form = "as one paragraph" if body.style == "paragraph" else "each on a line of its own"
    parameters = {
        "length": f"{number}, {form}",
        "focus": f"What matters most to the reader: {body.focus}." if body.focus else "",
    }
    answer = await _run(request, body, "summarise", parameters)
    return answer.as_json(summary=answer.found)


@router.post("/extract", auth=DEFERRED_AUTH, response=ExtractionOut, summary="Extract")
async def extract(request: HttpRequest, body: ExtractIn) -> Any:
    """The passages that name things of the given kinds, and where they stand in the text."""
    kinds = list(dict.fromkeys(body.kinds))
    schema = prompt_templates.extraction_schema(kinds)
    answer = await _run(request, body, "extract", {"kinds": _listed(kinds)}, schema)
    return answer.as_json(items=places_of(answer.found["items"], body.text))


@router.post("/classify", auth=DEFERRED_AUTH, response=ClassificationOut, summary="Classify")
async def classify(request: HttpRequest, body: ClassifyIn) -> Any:
    """Which of the given categories a text belongs to."""
    categories = list(dict.fromkeys(body.categories))
    schema = prompt_templates.classification_schema(categories)
    number = "Name every one that fits." if body.several else "Name the one that fits best."
    parameters = {"categories": _listed(categories), "number": number}
    answer = await _run(request, body, "classify", parameters, schema)
    named = list(dict.fromkeys(answer.found["categories"]))
    return answer.as_json(categories=named if body.several else named[:1])


@dataclass(frozen=True, slots=True)
class _Answer:
    """A call that is over, and what its answer says."""

    pump: Pump
    task: Task
    end: Mapping[str, Any]
    found: Any

    def as_json(self, **result: Any) -> JsonResponse:
        kept = ("finish_reason", "model", "usage", "cost", "record_id", "receipt")
        answer = {
            "template": self.task.template.name,
            "version": self.task.template.version,
            "provider": self.pump.call.provider_label,
            "region": self.pump.call.region,
            **{name: self.end.get(name) for name in kept},
            **result,
        }
        return with_record(self.pump, answer)


async def _run(
    request: HttpRequest,
    body: TextIn,
    name: str,
    parameters: Mapping[str, str],
    schema: Mapping[str, Any] | None = None,
) -> _Answer:
    try:
        chosen = template(name, body.version)
    except UnknownTemplate as error:
        raise Http404 from error
    task = Task(
        template=chosen,
        text=body.text,
        parameters=parameters,
        schema=schema,
        provider_id=body.provider_id,
        model=body.model,
        max_tokens=body.max_tokens,
        consent=body.consent,
    )
    pump, found = await run(caller_of_call(request).tenant, task)
    return _Answer(pump, task, await ending(pump), found)


def _listed(words: list[str]) -> str:
    return ", ".join(f"“{word}”" for word in words)
