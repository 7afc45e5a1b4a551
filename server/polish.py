"""The sentences of the server in Polish: those of errors.KINDS and sentences, key by key.

Names of headers, parameters and members stay as they are. A test holds keys and slots against those
of English.
"""

from __future__ import annotations

from typing import Final

#: Reason and message of each kind.
KINDS: Final[dict[str, tuple[str, str]]] = {
    "invalidBody": ("Treść żądania jest nieprawidłowa", "Popraw treść żądania."),
    "requirementsNotMet": (
        "Zgłoszenie nie spełnia reguł swojego procesu",
        "Usuń każde z wymienionych naruszeń.",
    ),
    "invalidQuery": ("Parametr jest nieprawidłowy", "Popraw parametr."),
    "invalidHeader": ("Nagłówek jest nieprawidłowy", "Popraw nagłówek."),
    "invalidCallback": (
        "Adres zwrotny jest niedozwolony",
        "Podaj publiczny adres https.",
    ),
    "missingCredentials": (
        "Brakuje danych uwierzytelniających",
        "Wyślij dane uwierzytelniające Basic albo Bearer.",
    ),
    "invalidCredentials": (
        "Dane uwierzytelniające są nieprawidłowe",
        "Wyślij prawidłowe dane uwierzytelniające.",
    ),
    "accessDenied": ("To niedozwolone", "Poproś hurtownika o dostęp."),
    "notFound": ("Nic tu nie ma", "Sprawdź adres."),
    "methodNotAllowed": (
        "Ten adres nie obsługuje tej metody",
        "Użyj jednej z metod z nagłówka Allow.",
    ),
    "notAcceptable": (
        "Nie da się odpowiedzieć w żadnym z żądanych formatów",
        "Przyjmij application/json.",
    ),
    "requestTimeout": ("Żądanie docierało zbyt długo", "Wyślij je ponownie."),
    "transitionNotAllowed": (
        "Zgłoszenie nie może przejść do tego statusu",
        "Wybierz jeden z dozwolonych statusów.",
    ),
    "conflict": ("Żądanie koliduje z innym", "Spróbuj ponownie za chwilę."),
    "preconditionFailed": (
        "Zgłoszenie zmieniło się w międzyczasie",
        "Odczytaj zgłoszenie i powtórz zmianę.",
    ),
    "contentTooLarge": ("Treść żądania jest za duża", "Wyślij mniej."),
    "uriTooLong": ("Zapytanie jest za długie", "Poproś o mniej naraz."),
    "unsupportedMediaType": (
        "Typ treści żądania nie jest przyjmowany",
        "Wyślij jeden z udokumentowanych typów treści.",
    ),
    "keyReused": (
        "Idempotency-Key użyto już w innym żądaniu",
        "Użyj nowego klucza dla każdego zgłoszenia.",
    ),
    "tooManyRequests": ("Za dużo żądań", "Odczekaj czas podany w Retry-After."),
    "headersTooLarge": ("Nagłówki są za duże", "Wyślij mniej nagłówków albo krótsze."),
    "internalError": ("Serwer zawiódł", "Podaj hurtownikowi X-Request-Id."),
    "unavailable": ("Serwer jest zajęty", "Spróbuj ponownie za chwilę."),
}

SENTENCES: Final[dict[str, str]] = {
    "body": "Wyślij treść żądania.",
    "utf8_at": "Wyślij treść jako UTF-8: bajt {at} nim nie jest.",
    "json_at": "Wyślij treść jako JSON: w wierszu {line}, kolumnie {column} nim nie jest.",
    "digits": "Skróć liczby w treści: jedna ma za dużo cyfr.",
    "smaller": "Wyślij mniejsze liczby: jedna w treści jest za duża.",
    "constant": "Usuń {name} z treści: JSON tego nie zna.",
    "nul": "Usuń z treści znak U+0000.",
    "surrogate": "Uzupełnij parę surogatów w treści: jest tylko połowa.",
    "depth": "Nie zagnieżdżaj treści głębiej niż na {most} poziomów.",
    "member_once": "Podaj każde pole obiektu tylko raz: {name} występuje dwa razy.",
    "correct_body": "Popraw treść: {why}.",
    "operations": "Wyślij listę operacji jako {media_type}.",
    "object": "Wyślij obiekt jako {media_type}.",
    "send_member": "Wyślij {place}.",
    "correct_member": "Popraw {place}: dokumentacja opisuje to inaczej.",
    "correct_whole": "Popraw treść: dokumentacja opisuje ją inaczej.",
    "correct_members": "Popraw to, co dokumentacja opisuje inaczej: {places}.",
    "query": "Zapisz /query jako {name}= i nazwy zdarzeń.",
    "event": "Sprawdź nazwy w /query: nie ma takiego zdarzenia.{near}",
    "parameter": "Sprawdź nazwę {name}: nie ma takiego parametru.{near}",
    "once": "Podaj {name} tylko raz.",
    "give": "Podaj {name}.",
    "choose": "Nadaj parametrowi {name} jedną z wartości: {values}.",
    "only_fields": "Podaj najwyżej parametr fields, gdy prosisz o jedno zgłoszenie.",
    "operator": "Sprawdź operator {operator}: {name} nie ma takiego operatora.{near}",
    "no_text": "Porównaj {name} inaczej: to nie tekst, więc nie pasuje do wyrażenia.",
    "nul_in": "Usuń znak U+0000 z {name}.",
    "whole": "Zapisz {name} jako liczbę całkowitą.",
    "whole_between": "Zapisz {name} jako liczbę całkowitą od {least} do {most}.",
    "instant": "Zapisz {name} jako datę (RRRR-MM-DD) albo datę z czasem według RFC 3339.",
    "long_pattern": "Skróć wyrażenie dla {name}: może mieć najwyżej {most} znaków.",
    "patterns": "Wyślij najwyżej {most} wyrażenia regularne w jednym zapytaniu.",
    "large_pattern": "Uprość wyrażenia regularne w zapytaniu: razem mogą mieć najwyżej {most}"
    " instrukcji RE2. Najwięcej zajmują powtórzenia takie jak {{100}}.",
    "values": "Wyślij najwyżej {most} wartości w jednym parametrze.",
    "empty": "Podaj wartość {name} bez pustych elementów albo pomiń ten parametr.",
    "value": "Nieznana wartość {value} parametru {name}.{near} Znane wartości: {known}.",
    "field": "Nieznane pole {name} w parametrze fields.{near}",
    "operator_name": "Nieznany operator {name}.{near}",
    "cursor": "Przepisz cursor bez zmian z nagłówka Link poprzedniej strony i powtórz jej filtry"
    " oraz parametr sort.",
    "cursor_or_offset": "Wyślij cursor albo offset, nie oba.",
    "narrow": "Zawęź filtry, na przykład według creationDate lub status, albo poproś o mniejszą"
    " stronę: zapytanie trwało dłużej niż {seconds} s.",
    "share": "Wysyłaj najwyżej {most} zapytania o listy jednocześnie.",
    "pattern": "Zapisz wyrażenie dla {name} tak, jak przyjmuje je RE2 (bez asercji"
    " wyprzedzających i wstecznych, bez odwołań wstecznych).",
    "sort": "Sprawdź nazwę {name} w sort: nie ma takiego pola.{near}",
    "near": " Czy chodziło o {name}?",
    "key": "Zapisz Idempotency-Key jako od 1 do 255 widocznych znaków.",
    "if_match": 'Zapisz If-Match jako * albo listę znaczników, na przykład "3".',
    "length": "Zapisz Content-Length jako liczbę całkowitą.",
    "typed": "Wyślij z treścią nagłówek Content-Type.",
    "charset": "Wyślij treść jako UTF-8.",
    "at_most": "Wyślij najwyżej {bound} B.",
    "parts": "Wyślij najwyżej {most} wartości i wierszy łącznie.",
    "key_in_use": "Zaczekaj na odpowiedź na żądanie z tym samym Idempotency-Key.",
    "event_waits": "Zaczekaj: zdarzenie i tak zostanie wysłane.",
    "missing": "Wyślij nagłówki Standard Webhooks.",
    "untimely": "Podpisz zdarzenie ponownie albo ustaw zegary: podpisano je zbyt dawno albo za"
    " wcześnie.",
    "wrong": "Podpisz tę treść znanym tu sekretem: żaden z podpisów nie jest nim złożony.",
}

#: Without any letter that ASCII lacks, as sentences has it: the words are chosen so.
GRANT: Final[dict[str, str]] = {
    "form": "Nadaj danym typ {media_type}.",
    "readable": "Zakoduj dane jako formularz.",
    "once": "Podaj parametr tylko raz.",
    "type": "Podaj parametr grant_type.",
    "only": "Podaj grant_type o nazwie client_credentials, innych tu nie ma.",
    "scope": "Nie podawaj parametru scope, tu go nie ma.",
    "client": "Podaj client_id oraz client_secret albo nazwij klienta w schemacie Basic.",
    "twice": "Podaj dane klienta tylko raz.",
    "basic": "Podaj dane klienta w schemacie Basic.",
    "unknown": "Popraw identyfikator albo sekret klienta.",
}
