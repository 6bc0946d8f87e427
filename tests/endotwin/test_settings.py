"""Errors of settings are for the operator: what is wrong, what is allowed, in no words of pydantic."""

from __future__ import annotations

import pytest

from endotwin.settings import Settings, SettingsError, load_settings, variable

MESSAGES = {
    "device": ("tpu", "must be auto, cpu, cuda, cuda:N, or several of the last three joined by commas"),
    "cors_origins": ("lab.example", "an origin is http(s)://host or http(s)://host:port"),
    "trusted_proxies": ("localhost", "must be addresses or networks, such as 10.0.0.0/8"),
    "keys_file": ("keys.json", "must be an absolute path, since the service may run in another folder"),
    "storage_allow": ("s3://data/sets", "leave out s3://: a place is bucket or bucket/prefix"),
    "max_streams": ("many", "must be a whole number"),
    "least_rate": ("fast", "must be a number"),
    "allow_unscored": ("perhaps", "must be true or false"),
    "log_format": ("xml", "must be 'auto', 'json' or 'text'"),
}


def refusal(monkeypatch: pytest.MonkeyPatch, **settings: str) -> str:
    for field, value in settings.items():
        monkeypatch.setenv(variable(field), value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    return str(error.value)


@pytest.mark.parametrize("field", MESSAGES)
def test_the_message_says_what_is_allowed(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    value, message = MESSAGES[field]
    said = refusal(monkeypatch, **{field: value})
    assert said.startswith(f"{variable(field)}: {message}")
    assert said.count("got ") == 1
    assert said.endswith(f"got {value!r}")


@pytest.mark.parametrize("field", Settings.model_fields)
@pytest.mark.parametrize("value", ["no/such,thing", "-1", "1e99"])
def test_no_message_is_of_pydantic(monkeypatch: pytest.MonkeyPatch, field: str, value: str) -> None:
    monkeypatch.setenv(variable(field), value)
    try:
        load_settings()
    except SettingsError as error:
        said = str(error)
        assert not any(words in said for words in ("Value error", "String should", "Input", "pydantic"))
        assert said.count("got ") == 1


def test_the_network_of_an_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal(monkeypatch, trusted_proxies="10.0.0.1/8")
    assert said.endswith("got '10.0.0.1/8'; the network is 10.0.0.0/8")


def test_the_nearest_setting_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal(monkeypatch, max_streems="1")
    wanted = "unknown setting ENDOTWIN_MAX_STREEMS; did you mean ENDOTWIN_MAX_STREAMS? There are "
    assert said.startswith(wanted)
    said = refusal(monkeypatch, kees_file="/keys")
    assert said.startswith("unknown settings ENDOTWIN_KEES_FILE, ENDOTWIN_MAX_STREEMS; did you mean ")
    assert "ENDOTWIN_KEYS_FILE, ENDOTWIN_MAX_STREAMS? There are " in said
