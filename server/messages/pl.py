"""The Polish messages of the server: those of problems.KINDS and of `en`, key by key.

Names of headers, parameters and members are not translated. A test compares the keys and slots with
those of the English tables.
"""

from __future__ import annotations

from typing import Final

#: Reason and message of each kind.
KINDS: Final[dict[str, tuple[str, str]]] = {
    "invalidBody": (
        "Nieprawidłowa treść żądania",
        "Popraw treść żądania.",
    ),
    "requirementsNotMet": (
        "Żądanie nie spełnia reguł swojego procesu",
        "Usuń wszystkie błędy wymienione w `violations`.",
    ),
    "invalidRequest": (
        "Nieprawidłowe żądanie HTTP",
        "Wyślij poprawne żądanie HTTP/1.1.",
    ),
    "invalidQuery": (
        "Nieprawidłowy parametr zapytania",
        "Popraw parametr.",
    ),
    "invalidHeader": (
        "Nieprawidłowy nagłówek",
        "Popraw nagłówek.",
    ),
    "invalidCallback": (
        "Niedozwolony adres zwrotny",
        "Podaj publiczny adres https.",
    ),
    "missingCredentials": (
        "Brak danych uwierzytelniających",
        "Wyślij dane uwierzytelniające Basic albo Bearer.",
    ),
    "invalidCredentials": (
        "Nieprawidłowe dane uwierzytelniające",
        "Wyślij prawidłowe dane uwierzytelniające.",
    ),
    "accessDenied": (
        "Brak uprawnień",
        "Poproś operatora hurtowego o dostęp.",
    ),
    "notFound": (
        "Nie znaleziono zasobu",
        "Sprawdź adres URL.",
    ),
    "methodNotAllowed": (
        "Niedozwolona metoda",
        "Użyj jednej z metod z nagłówka Allow.",
    ),
    "notAcceptable": (
        "Nieobsługiwany nagłówek Accept",
        "Ustaw nagłówek Accept na application/json.",
    ),
    "requestTimeout": (
        "Przekroczono limit czasu żądania",
        "Wyślij żądanie ponownie: docierało zbyt długo.",
    ),
    "transitionNotAllowed": (
        "Obecny status nie pozwala na tę zmianę",
        "Wyślij tylko zmiany, które `violations` wymienia jako dozwolone.",
    ),
    "conflict": (
        "Konflikt z innym żądaniem",
        "Spróbuj ponownie za chwilę.",
    ),
    "patchTestFailed": (
        "Operacja test w JSON Patch nie powiodła się",
        "Odczytaj zasób ponownie i utwórz nową listę operacji.",
    ),
    "preconditionFailed": (
        "Zasób zmienił się w międzyczasie",
        "Odczytaj zasób ponownie i powtórz zmianę.",
    ),
    "contentTooLarge": (
        "Za duża treść żądania",
        "Wyślij mniejszą treść.",
    ),
    "uriTooLong": (
        "Za długie zapytanie",
        "Wyślij krótsze zapytanie.",
    ),
    "unsupportedMediaType": (
        "Nieobsługiwany typ treści",
        "Wyślij jeden z udokumentowanych typów treści.",
    ),
    "keyReused": (
        "Idempotency-Key użyto już w innym żądaniu",
        "Użyj nowego klucza dla każdego żądania.",
    ),
    "tooManyRequests": (
        "Za dużo żądań",
        "Odczekaj liczbę sekund podaną w Retry-After.",
    ),
    "headersTooLarge": (
        "Za duże nagłówki żądania",
        "Wyślij mniej nagłówków albo krótsze.",
    ),
    "internalError": (
        "Błąd serwera",
        "Przekaż operatorowi hurtowemu wartość X-Request-Id.",
    ),
    "unavailable": (
        "Usługa niedostępna",
        "Spróbuj ponownie za chwilę.",
    ),
}

SENTENCES: Final[dict[str, str]] = {
    "body": "Wyślij treść żądania.",
    "utf8_at": "Wyślij treść jako UTF-8: bajt {at} nie jest poprawnym UTF-8.",
    "json_at": "Treść nie jest poprawnym JSON-em (wiersz {line}, kolumna {column}).",
    "digits": "Skróć liczby w treści: jedna z nich ma za dużo cyfr.",
    "smaller": "Wyślij mniejsze liczby: jedna z liczb w treści jest za duża.",
    "constant": "Usuń {name} z treści: to nie jest poprawny JSON.",
    "coded": "Wyślij treść jako nieskompresowany JSON w UTF-8: jej pierwsze bajty wskazują na"
    " {coding}.",
    "surrogate": "Nieprawidłowa para surogatów w treści: brakuje jednej połowy.",
    "depth": "Zmniejsz zagnieżdżenie treści do najwyżej {most} poziomów.",
    "member_once": "Powtórzone pole {name}: podaj każde pole obiektu tylko raz.",
    "correct_body": "Popraw treść: {why}.",
    "operations": "Wyślij tablicę operacji jako {media_type}.",
    "object": "Wyślij obiekt JSON jako {media_type}.",
    "test": "Odczytaj zasób ponownie i utwórz nową listę operacji: {why}.",
    "wrapped": "Wyślij sam obiekt jako treść: teraz jest on wewnątrz {place}.",
    "one_object": "Wyślij w każdym żądaniu jeden obiekt: treść jest tablicą.",
    "json_string": "Wyślij obiekt JSON: treść jest ciągiem znaków, który zawiera JSON.",
    "send_member": "Brakuje pola {place}.",
    "correct_member": "Nieprawidłowa wartość {place}: sprawdź jej schemat w dokumentacji API.",
    "correct_whole": "Nieprawidłowa treść: sprawdź jej schemat w dokumentacji API.",
    "correct_members": "Nieprawidłowe pola: {places}. Sprawdź ich schematy w dokumentacji API.",
    "query": "Zapisz /query jako {name}= i nazwy zdarzeń oddzielone przecinkami.",
    "event": "Nieznana nazwa zdarzenia w /query.{near}",
    "callback_long": "Skróć adres zwrotny do najwyżej {most} znaków.",
    "callback_characters": "Użyj w adresie zwrotnym tylko znaków dozwolonych w adresach URL"
    " (ASCII, bez spacji i ukośników wstecznych). Inne znaki zapisz w kodowaniu procentowym, a"
    " umiędzynarodowioną nazwę hosta w postaci ASCII (xn--).",
    "callback_url": "Wyślij adres zwrotny jako bezwzględny adres URL, na przykład"
    " https://listener.example.com/events.",
    "callback_credentials": "Usuń z adresu zwrotnego nazwę użytkownika i hasło. Sekret może być w"
    " ścieżce albo w parametrach adresu; zdarzenia są też podpisywane.",
    "callback_fragment": "Usuń z adresu zwrotnego fragment (część po znaku #).",
    "callback_scheme": "Użyj https w adresie zwrotnym.",
    "callback_port": "Użyj w adresie zwrotnym dozwolonego portu: {ports}.",
    "callback_unresolved": "Sprawdź nazwę hosta w adresie zwrotnym: nie ma ona adresu IP.",
    "callback_slow": "Sprawdź nazwę hosta w adresie zwrotnym: nie udało się ustalić jej adresu IP"
    " w ciągu {seconds} s. Wyślij żądanie ponownie później.",
    "callback_private": "Użyj w adresie zwrotnym hosta, który ma tylko publiczne adresy IP: ten"
    " ma adres, pod który nie wolno wysyłać zdarzeń.",
    "look_ups": "Zaczekaj, aż zostaną ustalone adresy IP hostów z Twoich wcześniejszych adresów"
    " zwrotnych.",
    "parameter": "Nieznany parametr {name}.{near}",
    "once": "Powtórzony parametr {name}: wyślij go tylko raz.",
    "give": "Brakuje parametru {name}.",
    "choose": "Ustaw {name} na jedną z wartości: {values}.",
    "only_fields": "Wyślij najwyżej parametr fields, gdy pobierasz jeden zasób.",
    "operator": "Nieznany operator {operator} dla {name}.{near}",
    "no_operator": "Nieznana nazwa operatora {name} w parametrze operator.{near}",
    "no_text": "Użyj innego operatora dla {name}: wyrażenia regularne działają tylko na tekście.",
    "nul_in": "Usuń znak U+0000 z {name}.",
    "whole": "Wyślij {name} jako liczbę całkowitą.",
    "decimal": "Wyślij {name} jako liczbę, na przykład 12 albo 12.5.",
    "whole_between": "Wyślij {name} jako liczbę całkowitą od {least} do {most}.",
    "instant": "Wyślij {name} jako datę (RRRR-MM-DD) albo datę z czasem według RFC 3339.",
    "long_pattern": "Skróć wyrażenie regularne dla {name} do najwyżej {most} znaków.",
    "patterns": "Wyślij najwyżej {most} wyrażenia regularne w jednym zapytaniu.",
    "large_pattern": "Uprość wyrażenia regularne w zapytaniu: razem mogą mieć najwyżej {most}"
    " instrukcji RE2. Najwięcej zajmują powtórzenia takie jak {{100}}.",
    "query_values": "Wyślij najwyżej {most} wartości w jednym parametrze.",
    "empty": "Pusta wartość w {name}: usuń ją albo pomiń ten parametr.",
    "value": "Nieznana wartość {value} parametru {name}.{near} Znane wartości: {known}.",
    "field": "Nieznane pole {name} w parametrze fields.{near}",
    "cursor": "Skopiuj cursor bez zmian z nagłówka Link poprzedniej strony i powtórz jej filtry"
    " oraz parametr sort.",
    "cursor_or_offset": "Wyślij cursor albo offset, nie oba.",
    "narrow": "Zawęź filtry albo poproś o mniejszą stronę: zapytanie trwało dłużej niż "
    "{seconds} s.",
    "share": "Wykonuj jednocześnie najwyżej {most} zapytania o listy.",
    "pattern": "Nieprawidłowe wyrażenie RE2 dla {name} (asercje i odwołania wsteczne nie są"
    " obsługiwane).",
    "sort": "Nieznane pole {name} w parametrze sort.{near}",
    "near": " Czy chodziło o {name}?",
    "one_slash": "Użyj jednego ukośnika zamiast kilku: {path}",
    "host": "Wyślij dokładnie jeden poprawny nagłówek Host.",
    "target": "Zakoduj adres żądania procentowo: zawiera niedozwolony bajt.",
    "tls": "Połącz się bez TLS albo z portem HTTPS: ten port obsługuje HTTP.",
    "http": "Wyślij poprawne żądanie HTTP/1.1.",
    "websocket": "Użyj HTTP: ten serwer nie obsługuje WebSocket.",
    "connections": "Użyj mniejszej liczby połączeń.",
    "key": "Wyślij Idempotency-Key o długości od 1 do 255 widocznych znaków ASCII.",
    "if_match": 'Ustaw If-Match na * albo na listę znaczników, na przykład "3".',
    "if_none_match": 'Ustaw If-None-Match na * albo na listę znaczników, na przykład "3".',
    "length": "Ustaw Content-Length na liczbę całkowitą.",
    "typed": "Wyślij z treścią nagłówek Content-Type.",
    "types": "Ustaw Content-Type na jedną z wartości: {types}.",
    "charset": "Wyślij treść jako UTF-8.",
    "at_most": "Wyślij najwyżej {bound} B.",
    "values": "Wyślij najwyżej {most} wartości JSON, licząc teksty, liczby, tablice i obiekty.",
    "some_listed": "Usuń wszystkie błędy z `violations`: wymieniono pierwsze {listed} z {count}.",
    "key_in_use": "Zaczekaj na odpowiedź na żądanie z tym samym Idempotency-Key.",
    "event_waits": "Zaczekaj: zdarzenie czeka już na wysłanie.",
    "missing": "Wyślij nagłówki Standard Webhooks.",
    "untimely": "Podpisz zdarzenie ponownie albo ustaw zegary: jego znacznik czasu jest zbyt"
    " stary albo z przyszłości.",
    "wrong": "Podpisz tę treść skonfigurowanym tu sekretem: żaden podpis do niego nie pasuje.",
}

#: ASCII only, as in `en`: the words are chosen so that no Polish letter is needed.
GRANT: Final[dict[str, str]] = {
    "form": "Nadaj danym typ {media_type}.",
    "readable": "Zakoduj dane jako formularz.",
    "once": "Podaj parametr tylko raz.",
    "type": "Brakuje parametru grant_type.",
    "only": "Ustaw grant_type na client_credentials: to jedyny rodzaj, jaki ma ten serwer.",
    "scope": "Popraw scope: to lista nazw ASCII, a separatorem jest jedna spacja.",
    "client": "Podaj client_id oraz client_secret albo nazwij klienta w schemacie Basic.",
    "twice": "Podaj dane klienta tylko raz: w Authorization albo w formularzu.",
    "another": "Podaj w formularzu ten sam client_id, co w Authorization, albo go nie podawaj.",
    "in_body": "Podaj parametry w formularzu, a nie w adresie.",
    "token": "Brakuje parametru token.",
    "method": "Jedyna dozwolona metoda to POST.",
    "slow": "Zbyt wolna transmisja danych: zacznij jeszcze raz.",
    "large": "Podaj mniej danych: limit jest przekroczony.",
    "wait": "Odczekaj tyle sekund, ile podaje Retry-After.",
    "failed": "To awaria serwera: podaj operatorowi hurtowemu X-Request-Id.",
    "basic": "Podaj dane klienta w schemacie Basic.",
    "unknown": "Popraw identyfikator albo sekret klienta.",
}
