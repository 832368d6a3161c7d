"""What an operator may ask the live page: each field with its rule."""

from __future__ import annotations

from django import forms

from cache_streams.facts import Ending
from cache_streams.operators.past import canonical_id
from cache_streams.operators.questions import ORDERS, ROWS_MAX, Wanted
from cache_streams.protocol.close_codes import Family
from cache_streams.streams import REGISTRY

PAGE_ROWS = 25
PAGES_MAX = ROWS_MAX // PAGE_ROWS
ENDED_BY = ("gateway", "client", "neither")
_ANY = [("", "any")]


class EndingsForm(forms.Form):
    """Which endings: one by the id that its client was told, or the newest of a user, by who ended them, with a code."""

    id = forms.CharField(required=False, max_length=64, label="connection id")
    user = forms.IntegerField(required=False, min_value=0)
    by = forms.ChoiceField(required=False, choices=[*_ANY, *((each, each) for each in ENDED_BY)])
    code = forms.IntegerField(required=False, min_value=1000, max_value=4999)

    def clean_id(self) -> str:
        """Return the socket's id. Raises: ValidationError for what is none."""
        given: str = self.cleaned_data["id"]
        known = canonical_id(given)
        if given and known is None:
            raise forms.ValidationError("An id is c- or agents- and 16 digits of 0-9 a-f.")
        return known or ""

    @property
    def socket_id(self) -> str:
        """The one socket that was asked for, or nothing."""
        return str(self.cleaned_data["id"])

    def wants(self, ending: Ending) -> bool:
        """Return whether an ending is one of those asked for."""
        asked = self.cleaned_data
        return (
            asked["user"] in (None, ending.socket.user_id)
            and asked["by"] in ("", ending.by)
            and asked["code"] in (None, ending.code)
        )


class LookForm(forms.Form):
    """Which sockets, in which order, which page. Whoever wants more than the pages hold, searches."""

    q = forms.CharField(required=False, max_length=64, label="id, mail, path or address")
    user = forms.IntegerField(required=False, min_value=0)
    family = forms.ChoiceField(
        required=False, choices=[*_ANY, *((each.value, each.value) for each in Family)]
    )
    stream = forms.ChoiceField(
        required=False, choices=[*_ANY, *((each.name, each.name) for each in REGISTRY)]
    )
    worker = forms.CharField(required=False, max_length=128)
    order = forms.ChoiceField(required=False, choices=[(each, each) for each in ORDERS])
    cold = forms.BooleanField(required=False)
    page = forms.IntegerField(required=False, min_value=1, max_value=PAGES_MAX, widget=forms.HiddenInput)

    @property
    def wanted(self) -> Wanted:
        """Which sockets were asked for."""
        asked = self.cleaned_data
        return Wanted(
            text=asked["q"],
            user_id=asked["user"],
            stream=asked["stream"],
            family=asked["family"],
            worker=asked["worker"],
            cold=asked["cold"],
        )

    @property
    def page_number(self) -> int:
        """Which page was asked for, from 1."""
        return int(self.cleaned_data["page"] or 1)
