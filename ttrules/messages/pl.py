"""The Polish texts, by the same keys as the English ones.

Names of members, processes, values and keywords are not declined. Where their case would show, a
noun comes first (pole, proces, obiekt). Messages are in the imperative, as in English. A test
compares keys and placeholders with those of English.
"""

from __future__ import annotations

from typing import Final

REQUIREMENTS: Final[dict[str, str]] = {
    "R": "Wymagane: musi wystąpić, nie może być null ani puste.",
    "O": "Opcjonalne: można je pominąć; jeśli występuje, musi być zgodne ze swoim typem.",
    "P": "Zabronione: nie może wystąpić, nawet z wartością null.",
    "PD": "Zależne od procesu: rozstrzyga warunek.",
    "R/PD": "Wymagane zależnie od procesu: warunek rozstrzyga, kiedy musi wystąpić.",
    "O/PD": "Opcjonalne zależnie od procesu: warunek rozstrzyga, kiedy może wystąpić.",
    "P/PD": "Zabronione zależnie od procesu: warunek rozstrzyga, kiedy nie może wystąpić.",
    "-": "Nieobsługiwane lub nie dotyczy: jest przyjmowane, ale nie jest sprawdzane, używane"
    " ani zapisywane.",
}

RELATIONS: Final[dict[str, str]] = {
    "all_or_none": "wyślij wszystkie pola {fields} albo żadne z nich",
    "at_least_one": "wyślij co najmniej jedno z pól {fields}",
    "at_most_one": "wyślij co najwyżej jedno z pól {fields}",
    "exactly_one": "wyślij dokładnie jedno z pól {fields}",
    "if_then_all": "jeśli wysyłasz pole {first}, wyślij też wszystkie z pól: {rest}",
    "if_then_any": "jeśli wysyłasz pole {first}, wyślij też co najmniej jedno z pól: {rest}",
    "if_then_none": "jeśli wysyłasz pole {first}, nie wysyłaj żadnego z pól: {rest}",
    "required": "pole {fields} jest wymagane",
    "prohibited": "pole {fields} jest zabronione",
}

MESSAGES: Final[dict[str, str]] = {
    "required": "Wyślij pole {field}: {process} jest wymagane.",
    "prohibited": "Usuń pole {field}: {process} jest zabronione.",
    "not_supported": "Nie wysyłaj pola {field}: {process} nie jest obsługiwane, więc nie zostanie"
    " użyte ani zapisane.",
    "process_dependent": "W obiekcie {entity}: {condition}.",
    "unknown_field": "Sprawdź nazwę {field}: obiekt {entity} nie ma takiego pola.",
    "null": "Wyślij {field} z wartością inną niż null albo nie wysyłaj wcale, jeśli nie jest to"
    " wymagane.",
    "empty": "Wypełnij pole {field}: {process} jest wymagane i nie może być puste.",
    "type": "Wyślij {field} jako {expected}.",
    "enum": "Wpisz w polu {field} jedną z wartości: {allowed}.",
    "format": "Zapisz pole {field} jako {expected}.",
    "range": "Podaj w polu {field} wartość z dozwolonego zakresu ({limits}).",
    "length": "Zachowaj dozwolony rozmiar pola {field} ({limits}).",
    "variant": "Wyślij {field} jako jeden z wariantów: {variants}.",
    "immutable": "Nie zmieniaj pola {field}: można je powtórzyć, ale nie zmienić.",
    "transition": "Wybierz inną wartość pola {field}: po statusie {from} {noun} może mieć"
    " jeden z następujących: {allowed}.",
}

KINDS: Final[dict[str, str]] = {
    "string": "tekst",
    "integer": "liczbę całkowitą",
    "number": "liczbę",
    "boolean": "true albo false",
    "array": "listę",
    "object": "obiekt",
}

FORMATS: Final[dict[str, str]] = {
    "date-time": "datę z czasem według RFC 3339, z przesunięciem strefy albo literą Z",
    "date": "pełną datę według RFC 3339 (RRRR-MM-DD)",
    "time": "pełny czas według RFC 3339, z przesunięciem strefy albo literą Z (gg:mm:ssZ)",
    "duration": "czas trwania (RFC 3339, dodatek A), na przykład P1DT12H",
    "byte": "base64 z dopełnieniem i bez podziału na wiersze (RFC 4648, punkt 4)",
    "uuid": "UUID (RFC 9562)",
    "email": "adres e-mail (RFC 5321, Mailbox)",
    "hostname": "nazwę hosta (RFC 1123) w ASCII, bez kropki na końcu",
    "ipv4": "adres IPv4 w zapisie dziesiętnym z kropkami (RFC 2673, punkt 3.2)",
    "ipv6": "adres IPv6 bez strefy (RFC 4291, punkt 2.2)",
    "uri": "URI ze schematem (RFC 3986)",
    "uri-reference": "URI, także bez schematu (RFC 3986)",
}

WORDS: Final[dict[str, str]] = {
    "payload": "dokument",
    "process": "w procesie {name}",
    "noun": "zasób {noun}",
    "noun_ticket": "zgłoszenie",
    "new": "przy dodawaniu ({noun})",
    "new_ticket": "w nowym zgłoszeniu",
    "unselected": "Wyślij pole {field}: {new} jest wymagane, bo wybiera proces.",
    "is_a_change": " Jeśli to zmiana, wskaż jej proces: {changes}.",
    "or": " lub ",
    "suggestion": " Czy chodziło o {name}?",
    "unknown_status": "nieznanym",
    "final": "Nie zmieniaj pola {field}: po statusie {from} nie ma dozwolonych przejść.",
    "accepts": "Nie zmieniaj pola {field}: {from} to status końcowy, w którym można"
    " zmieniać tylko następujące pola: {accepts}.",
    "accepts_nothing": "Nie zmieniaj pola {field}: {from} to status końcowy, w którym"
    " nie można niczego zmieniać.",
    "stored_item": "Nie zmieniaj pola {field}: do listy {list} można dodawać pozycje, ale nie"
    " można zmieniać ani usuwać zapisanych. Aby dodać pozycję, wyślij tylko ją: w merge patch jako"
    " listę {list}, w JSON Patch operacją add ze ścieżką {append}.",
    "undeclared": "o polu {field} rozstrzyga warunek, którego nie zadeklarowano",
    "when": "gdy pole {subject} {test}, {rule}",
    "member_of_parent": "{name} obiektu nadrzędnego",
    "member_of_root": "{name} obiektu głównego",
    "sent": "jest wysyłane",
    "not_sent": "nie jest wysyłane",
    "equals": "ma wartość {value}",
    "not_equals": "nie ma wartości {value}",
    "in": "ma jedną z wartości {values}",
    "not_in": "nie ma żadnej z wartości {values}",
    "contains": "zawiera wartość {value}",
    "not_contains": "nie zawiera wartości {value}",
    "contains_item": "ma pozycję, w której {members}",
    "not_contains_item": "nie ma pozycji, w której {members}",
    "member": "{name} ma wartość {value}",
    "and": " i ",
}

REASONS: Final[dict[str, str]] = {
    "not_json": "to nie jest JSON: {detail}",
    "not_json_at": "{place} to nie jest JSON: {why}",
    "the_payload": "(dokument)",
    "not_utf8": "w tym miejscu to nie jest UTF-8",
    "wide": "to nie jest UTF-8, lecz sądząc po pierwszych bajtach {coding}",
    "twice": "powtórzona nazwa pola {name} w jednym obiekcie",
    "no_payload": "nie zawiera dokumentu",
    "too_long": "dokument jest za długi, by go odczytać",
    "not_read": "nie można odczytać: {detail}",
    "damaged": "skompresowane dane są uszkodzone",
    "cut_off": "skompresowane dane urywają się",
    "behind_array": "nieoczekiwane dane za końcem tablicy",
    "open_array": "tablica nie jest zamknięta",
    "no_value": "w tablicy brakuje wartości",
    "too_many": "więcej wartości niż {most}",
    "no_form": "wartości typu {kind} nie da się zapisać jako JSON",
    "no_name": "nazwy pola typu {kind} nie da się zapisać jako JSON",
    "too_deep": "tablice i obiekty są zagnieżdżone głębiej niż na {most} poziomów",
    "surrogate": "niesparowany surogat, znak nr {at}",
    "many_digits": "liczba ma za dużo cyfr",
    "not_finite": "JSON nie zna NaN ani nieskończoności",
    "decimal": "wartość Decimal poza zakresem podwójnej precyzji",
    "json_patch": "to jest JSON Patch; sprawdź go z opcją --against i zapisanym zgłoszeniem",
    "operation": "operacji {index} nie można wykonać: {why}",
    "operations": "łatka może mieć najwyżej {most} operacji",
    "long_pointer": "{name} jest dłuższe niż {most} znaków",
    "copies": "łatka kopiuje za dużo danych",
    "into_itself": "wartości nie można przenieść do jej własnego wnętrza",
    "no_object": "nie jest obiektem",
    "no_operation": "nieznana wartość op; znane: {operations}",
    "lacks": "operacji {operation} brakuje pola {name}",
    "no_pointer": "{name} nie jest wskaźnikiem JSON Pointer",
    "nothing_at": "brak wartości pod {path}",
    "another_value": "wartość pod {path} jest inna niż oczekiwana",
    "nowhere": "{path} nie istnieje",
    "no_selection": "reguły nie określają, jak wybrać proces dla nowego zgłoszenia",
    "name_process": "może obowiązywać kilka procesów: {processes}; wskaż jeden z nich",
    "no_change": "reguły nie określają, jak wybrać proces zmiany",
    "no_change_process": "{process} nie jest procesem zmiany zgłoszenia",
    "not_changed": "dla pola {field} zapisanego zgłoszenia nie ma procesu zmiany; znane: {wanted}",
}

COUNTS: Final[dict[str, tuple[str, ...]]] = {
    "payloads": ("{count} dokument", "{count} dokumenty", "{count} dokumentów"),
    "valid": ("{count} poprawny", "{count} poprawne", "{count} poprawnych"),
    "invalid": ("{count} niepoprawny", "{count} niepoprawne", "{count} niepoprawnych"),
    "errors": ("{count} błąd", "{count} błędy", "{count} błędów"),
    "warnings": ("{count} ostrzeżenie", "{count} ostrzeżenia", "{count} ostrzeżeń"),
    "undetermined": (
        "{count} nierozstrzygnięty warunek",
        "{count} nierozstrzygnięte warunki",
        "{count} nierozstrzygniętych warunków",
    ),
    "unreadable": ("{count} nieczytelny", "{count} nieczytelne", "{count} nieczytelnych"),
}

SEVERITIES: Final[dict[str, str]] = {
    "error": "błąd",
    "warning": "ostrzeżenie",
    "undetermined": "nierozstrzygnięte",
}

TEXTS: Final[dict[str, str]] = {
    "unreadable": "Wyślij jeden dokument JSON.",
    "as_a_change": "Użyj --process {process} albo --against z zapisanym zgłoszeniem.",
    "field": "Pole",
    "no_type": "bez typu",
    "hidden_decisions": "Pozostałe decyzje ({count}) pokazuje --all.",
    "one_of": "{type}; jedna z wartości: {values}",
    "conditions": "Warunki",
    "selection": "Wybór procesu",
    "unsupported": "Brak obsługi",
    "warn": "Pole jest przyjmowane z ostrzeżeniem, ale nie jest używane ani zapisywane.",
    "error": "Pole jest odrzucane.",
    "ignore": "Pole jest przyjmowane bez uwag, ale nie jest używane ani zapisywane.",
    "changes": "Zmiany",
    "decisions": "Decyzje",
    "why": "Powód: {reason}",
    "source": "Źródło: {source}",
    "optional": "Bez warunku; pole jest opcjonalne.",
    "others": "wszystkie inne",
    "immutable": "Zmiana może je powtórzyć, ale nie może go zmienić.",
    "append_only": "Zmiana może dodać pozycje, ale nie może zmienić ani usunąć zapisanych.",
    "default": "Jeśli zmiana pominie je w nowej pozycji, otrzymuje wartość {value}.",
    "initial": "Nowe zgłoszenie ma status {status}.",
    "following": "{status}: potem {following}",
    "nothing": "brak dalszych",
    "accepts": "W statusie końcowym zgłoszenie przyjmuje tylko zmiany pól: {members}.",
    "kind": "Rodzaj",
    "about": "Dotyczy",
    "what": "Opis",
    "decided": "Decyzja",
}

ODDITIES: Final[dict[str, str]] = {
    "undeclared": "Nie zadeklarowano warunku, więc pole niczego nie wymaga w: {detail}.",
    "hollow": "Można je wysłać, choć żadne z pól {detail} nie jest dozwolone ani używane.",
    "untyped": "Pole nie ma typu, więc pasuje każda wartość.",
    "selector": "Pole wybiera proces, choć nie trzeba go wysyłać w: {detail}.",
    "unselecting": "Te wartości nie wybierają żadnego procesu: {detail}.",
    "initial": "Można je wysłać, choć status nowego zgłoszenia to: {detail}.",
    "unread": "Żadne pole nie zawiera tego obiektu, więc jego wiersze niczego nie wymagają.",
    "unreached": "Kody nie mają znaczenia w: {detail}. Dokumenty tych procesów nie zawierają tego"
    " obiektu.",
    "untestable": "Warunek zależy od pola, którego nie można wysłać: {detail}.",
    "contradictory": "Żaden obiekt nie może spełnić wszystkich warunków w: {detail}.",
    "spelling": "Inne nazwy sugerują pisownię {detail}.",
    "case": "Nazwa różni się od {detail} tylko wielkością liter.",
    "default": "Dokument zawiera wartość domyślną, która sama nie jest poprawna: {detail}.",
    "overruled": "Dokument zawiera: {detail}; obowiązują kody z tabeli.",
    "unenforced": "Dokument zawiera: {detail}; nie jest to sprawdzane.",
}

#: The last digits that take the second form of number, and the last two that never do.
_FEW: Final = range(2, 5)
_TEENS: Final = range(12, 15)


def plural(count: int) -> int:
    """Return which form of number a count takes: 1 błąd, 2 błędy, 5 błędów, 12 błędów, 22 błędy."""
    if count == 1:
        return 0
    return 1 if count % 10 in _FEW and count % 100 not in _TEENS else 2
