"""A rival: FastAPI, its models of pydantic 2 written by hand, its handlers in its threads.

A body is checked for the document's shape by the models, then against the matrix by ttrules.
"""

from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel, ConfigDict, Field

from tests.benchmarks.frameworks.rivals import BASE, Shelf, is_known, told
from ttrules.rulebook import shipped


class _Model(BaseModel):
    """What the models share: aliases, and strict JSON types."""

    model_config = ConfigDict(strict=True)


_Name = Annotated[str, Field(max_length=256)]
_Address = Annotated[str, Field(max_length=2048)]
_Text = Annotated[str, Field(max_length=32768)]
# A date-time is text as the document has it; that it is one, ttrules says.
_Status = Literal[
    "submitted",
    "rejected",
    "acknowledged",
    "inProgress",
    "held",
    "pending",
    "resolved",
    "closed",
    "cancelled",
]


class _Size(_Model):
    amount: float | None = None
    units: _Name | None = None


class _Referred(_Model):
    referred_type: _Name | None = Field(None, alias="@referredType")
    href: _Address | None = None
    id: _Name | None = None
    name: _Name | None = None


class _Attachment(_Referred):
    description: _Text | None = None
    url: _Address | None = None
    attachment_type: _Name | None = Field(None, alias="attachmentType")
    content: Annotated[str, Field(max_length=13981016)] | None = None
    mime_type: _Name | None = Field(None, alias="mimeType")
    size: _Size | None = None
    valid_for: int | None = Field(None, alias="validFor")


class _Note(_Model):
    author: _Name | None = None
    notedate: str | None = None
    id: _Name | None = None
    text: _Text | None = None


class _Entity(_Referred):
    external_id: _Name | None = Field(None, alias="externalId")
    role: _Name | None = None
    new_serial_number: _Name | None = Field(None, alias="newSerialNumber")
    old_serial_number: _Name | None = Field(None, alias="oldSerialNumber")
    device_type: Literal["CPE", "STB", "PLC", "SIM"] | None = Field(None, alias="deviceType")
    provisioning_status: Literal["NEW", "FAILED", "COMPLETED"] | None = Field(
        None, alias="provisioningStatus"
    )
    provisioning_comment: _Text | None = Field(None, alias="provisioningComment")


class _Party(_Referred):
    role: _Name | None = None


class _Relationship(_Model):
    name: _Name | None = None
    relationship_type: _Name | None = Field(None, alias="relationshipType")


class _StatusChange(_Model):
    change_date: str | None = Field(None, alias="changeDate")
    change_reason: _Text | None = Field(None, alias="changeReason")
    status: _Status | None = None


class _Ticket(_Model):
    type: _Name | None = Field(None, alias="@type")
    base_type: _Name | None = Field(None, alias="@baseType")
    schema_location: _Address | None = Field(None, alias="@schemaLocation")
    ticket_type: Literal["Customer_Trouble_Ticket", "Complaint"] | None = Field(
        None, alias="ticketType"
    )
    ticket_subtype: Literal["Financial", "Activation", "Maintenance", "Other"] | None = Field(
        None, alias="ticketSubtype"
    )
    origin: Literal["External System", "Phone", "Email", "Web"] | None = None
    severity: Literal["High", "Medium", "Low"] | None = None
    priority: Annotated[int, Field(ge=1, le=10)] | None = None
    status: _Status | None = None
    name: _Name | None = None
    description: _Text | None = None
    external_id: _Name | None = Field(None, alias="externalId")
    correlation_id: _Name | None = Field(None, alias="correlationId")
    id: _Name | None = None
    href: _Address | None = None
    creation_date: str | None = Field(None, alias="creationDate")
    last_update: str | None = Field(None, alias="lastUpdate")
    resolution_date: str | None = Field(None, alias="resolutionDate")
    expected_resolution_date: str | None = Field(None, alias="expectedResolutionDate")
    requested_resolution_date: str | None = Field(None, alias="requestedResolutionDate")
    status_change_date: str | None = Field(None, alias="statusChangeDate")
    status_change_reason: _Text | None = Field(None, alias="statusChangeReason")
    resolution_comment: _Text | None = Field(None, alias="resolutionComment")
    resolution_result: _Text | None = Field(None, alias="resolutionResult")
    resolution_code: _Name | None = Field(None, alias="resolutionCode")
    resolution_payment_code: Any = Field(None, alias="resolutionPaymentCode")
    channel: _Referred | None = None
    attachment: list[_Attachment] | None = None
    note: list[_Note] | None = None
    related_entity: list[_Entity] | None = Field(None, alias="relatedEntity")
    related_party: list[_Party] | None = Field(None, alias="relatedParty")
    relationships: list[_Relationship] | None = Field(None, alias="troubleTicketRelationship")
    status_changes: list[_StatusChange] | None = Field(None, alias="statusChange")


_basic = HTTPBasic()


def _caller(given: Annotated[HTTPBasicCredentials, Depends(_basic)]) -> str:
    if not is_known(given.username, given.password):
        raise HTTPException(401, headers={"WWW-Authenticate": "Basic"})
    return given.username


_Caller = Annotated[str, Depends(_caller)]


def made(shelf: Shelf) -> FastAPI:
    """Return the application."""
    app, book = FastAPI(), shipped()

    @app.post(f"{BASE}/troubleTicket")
    def create(ticket: _Ticket, _: _Caller) -> Response:
        payload = ticket.model_dump(by_alias=True, exclude_unset=True)
        report = book.validate_new(payload)
        if not report.valid:
            return JSONResponse(told(report.violations), 400)
        return JSONResponse(shelf.keep(payload), 201)

    @app.get(f"{BASE}/troubleTicket/{{number}}")
    def retrieve(number: str, _: _Caller) -> Response:
        found = shelf.find(number)
        if found is None:
            raise HTTPException(404)
        return Response(found, media_type="application/json")

    return app
