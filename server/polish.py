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
    "invalidRequest": (
        "Żądanie nie jest poprawnym HTTP",
        "Wyślij poprawne żądanie HTTP/1.1.",
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
        "Status zgłoszenia nie pozwala na tę zmianę",
        "Wyślij tylko zmiany, które `violations` wymienia jako dozwolone.",
    ),
    "conflict": ("Żądanie koliduje z innym", "Spróbuj ponownie za chwilę."),
    "patchTestFailed": (
        "Operacja test w JSON Patch nie powiodła się",
        "Odczytaj zgłoszenie i utwórz nową listę operacji.",
    ),
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
    "coded": "Wyślij treść jako JSON w UTF-8, bez kompresji: zaczyna się jak {coding}.",
    "surrogate": "Uzupełnij parę surogatów w treści: jest tylko połowa.",
    "depth": "Nie zagnieżdżaj treści głębiej niż na {most} poziomów.",
    "member_once": "Podaj każde pole obiektu tylko raz: {name} występuje dwa razy.",
    "correct_body": "Popraw treść: {why}.",
    "operations": "Wyślij listę operacji jako {media_type}.",
    "object": "Wyślij obiekt jako {media_type}.",
    "test": "Odczytaj zgłoszenie ponownie i utwórz nową listę operacji: {why}.",
    "wrapped": "Wyślij samo zgłoszenie jako treść: teraz jest ono wewnątrz {place}.",
    "one_ticket": "Wyślij w każdym żądaniu jedno zgłoszenie: treść jest listą.",
    "json_string": "Wyślij zgłoszenie jako obiekt JSON: treść jest tekstem, który zawiera JSON.",
    "send_member": "Wyślij {place}.",
    "correct_member": "Popraw {place}: dokumentacja opisuje to inaczej.",
    "correct_whole": "Popraw treść: dokumentacja opisuje ją inaczej.",
    "correct_members": "Popraw to, co dokumentacja opisuje inaczej: {places}.",
    "query": "Zapisz /query jako {name}= i nazwy zdarzeń.",
    "event": "Sprawdź nazwy w /query: nie ma takiego zdarzenia.{near}",
    "callback_long": "Skróć adres zwrotny do najwyżej {most} znaków.",
    "callback_characters": "Użyj w adresie zwrotnym tylko znaków dozwolonych w adresach URL (ASCII,"
    " bez spacji i ukośników wstecznych). Inne znaki zapisz w kodowaniu procentowym, a"
    " umiędzynarodowioną nazwę hosta w postaci ASCII (xn--).",
    "callback_url": "Wyślij adres zwrotny jako bezwzględny adres URL, na przykład"
    " https://listener.example.com/events.",
    "callback_credentials": "Usuń z adresu zwrotnego nazwę użytkownika i hasło. Sekret może być w"
    " ścieżce albo w parametrach adresu; zdarzenia są też podpisywane.",
    "callback_fragment": "Usuń z adresu zwrotnego fragment (część po znaku #).",
    "callback_scheme": "Użyj https w adresie zwrotnym.",
    "callback_port": "Użyj w adresie zwrotnym dozwolonego portu: {ports}.",
    "callback_unresolved": "Sprawdź nazwę hosta w adresie zwrotnym: nie ma ona żadnego adresu IP.",
    "callback_slow": "Sprawdź nazwę hosta w adresie zwrotnym: jej adresów nie znaleziono w ciągu"
    " {seconds} s. Wyślij żądanie ponownie później.",
    "callback_private": "Użyj w adresie zwrotnym hosta, który ma tylko publiczne adresy IP: ten ma"
    " adres, pod który nie wolno wysyłać zdarzeń.",
    "look_ups": "Zaczekaj, aż zakończy się wyszukiwanie nazw hostów z Twoich wcześniejszych adresów"
    " zwrotnych.",
    "parameter": "Sprawdź nazwę {name}: nie ma takiego parametru.{near}",
    "once": "Podaj {name} tylko raz.",
    "give": "Podaj {name}.",
    "choose": "Nadaj parametrowi {name} jedną z wartości: {values}.",
    "only_fields": "Podaj najwyżej parametr fields, gdy prosisz o jedno zgłoszenie.",
    "operator": "Sprawdź operator {operator}: {name} nie ma takiego operatora.{near}",
    "no_operator": "Sprawdź nazwę {name} w operator: nie ma takiego operatora.{near}",
    "no_text": "Porównaj {name} inaczej: to nie tekst, więc nie pasuje do wyrażenia.",
    "nul_in": "Usuń znak U+0000 z {name}.",
    "whole": "Zapisz {name} jako liczbę całkowitą.",
    "whole_between": "Zapisz {name} jako liczbę całkowitą od {least} do {most}.",
    "instant": "Zapisz {name} jako datę (RRRR-MM-DD) albo datę z czasem według RFC 3339.",
    "long_pattern": "Skróć wyrażenie dla {name}: może mieć najwyżej {most} znaków.",
    "patterns": "Wyślij najwyżej {most} wyrażenia regularne w jednym zapytaniu.",
    "large_pattern": "Uprość wyrażenia regularne w zapytaniu: razem mogą mieć najwyżej {most}"
    " instrukcji RE2. Najwięcej zajmują powtórzenia takie jak {{100}}.",
    "query_values": "Wyślij najwyżej {most} wartości w jednym parametrze.",
    "empty": "Podaj wartość {name} bez pustych elementów albo pomiń ten parametr.",
    "value": "Nieznana wartość {value} parametru {name}.{near} Znane wartości: {known}.",
    "field": "Nieznane pole {name} w parametrze fields.{near}",
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
    "one_slash": "Wpisz jeden ukośnik tam, gdzie jest ich kilka: {path}",
    "host": "Wyślij dokładnie jeden poprawny nagłówek Host.",
    "target": "Zakoduj adres żądania procentowo: zawiera bajt, który nie jest w nim dozwolony.",
    "tls": "Połącz się bez TLS albo z portem HTTPS: ten port obsługuje HTTP.",
    "http": "Wyślij poprawne żądanie HTTP/1.1.",
    "websocket": "Użyj HTTP: ten serwer nie obsługuje protokołu WebSocket.",
    "connections": "Użyj mniejszej liczby połączeń.",
    "key": "Zapisz Idempotency-Key jako od 1 do 255 widocznych znaków.",
    "if_match": 'Zapisz If-Match jako * albo listę znaczników, na przykład "3".',
    "if_none_match": 'Zapisz If-None-Match jako * albo listę znaczników, na przykład "3".',
    "length": "Zapisz Content-Length jako liczbę całkowitą.",
    "typed": "Wyślij z treścią nagłówek Content-Type.",
    "types": "Wyślij treść z jednym z tych nagłówków Content-Type: {types}.",
    "charset": "Wyślij treść jako UTF-8.",
    "at_most": "Wyślij najwyżej {bound} B.",
    "values": "Wyślij najwyżej {most} wartości: tekstów, liczb, list i obiektów łącznie.",
    "some_listed": "Usuń wszystkie błędy z `violations`: wymieniono pierwsze {listed} z {count}.",
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
    "scope": "Popraw scope: to lista nazw ASCII, a separatorem jest jedna spacja.",
    "client": "Podaj client_id oraz client_secret albo nazwij klienta w schemacie Basic.",
    "twice": "Podaj dane klienta tylko raz: w Authorization albo w formularzu.",
    "another": "Podaj w formularzu ten sam client_id, co w Authorization, albo go nie podawaj.",
    "in_body": "Podaj parametry w formularzu, a nie w adresie.",
    "token": "Podaj parametr token.",
    "method": "Jedyna dozwolona metoda to POST.",
    "slow": "Zbyt wolna transmisja danych: zacznij jeszcze raz.",
    "large": "Podaj mniej danych: limit jest przekroczony.",
    "wait": "Odczekaj tyle sekund, ile podaje Retry-After.",
    "failed": "Podaj operatorowi hurtowemu X-Request-Id: to awaria serwera.",
    "basic": "Podaj dane klienta w schemacie Basic.",
    "unknown": "Popraw identyfikator albo sekret klienta.",
}
