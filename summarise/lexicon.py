"""The closed word lists that tell a harmless difference from one that changes the meaning.

Invariant: data and pure predicates only; every list is generic, none comes from a particular text.
English, with the commonest negators of a few other languages. Keys are folded words.

Source: polarity lists of natural logic (MacCartney & Manning 2007), written out by hand.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache


def _words(listed: str) -> tuple[str, ...]:
    return tuple(listed.split())


def _groups(*listed: str) -> dict[str, str]:
    """Map every word of a group to the group's first word."""
    return {word: group.split()[0] for group in listed for word in group.split()}


FUNCTION = frozenset(
    _words(
        "a an the this that these those and or of in on at as it its he him his she her hers they them"
        " their i me my we us our you your who whom whose which what there here then also so very just s"
        " is are was were be been being am has have had having do does did done than"
        " when where while how both each such own mr mrs ms dr sir lord lady et la le de el der die das"
        " und"
    )
)
PERSONS = _groups(
    "i me my we us our", "you your", "he him his", "she her hers", "they them their",
)  # fmt: skip
ROLES = _groups("be is are was were been being am got", "by", "to", "from", "for", "against", "with", "since", "during")
NEGATORS = _groups(
    "not n't no never cannot", "none", "nobody", "nothing", "nowhere", "neither", "nor", "without",
    "hardly barely scarcely", "deny denies denied denying denial denials",
    "refuse refuses refused refusing refusal", "fail fails failed failing failure",
    "decline declines declined declining", "reject rejects rejected rejecting rejection",
    "lack lacks lacked lacking", "stop stops stopped stopping", "prevent prevents prevented preventing",
    "avoid avoids avoided avoiding", "false", "untrue", "cease ceases ceased ceasing",
    "forget forgets forgot forgotten forgetting", "neglect neglects neglected neglecting",
    "refrain refrains refrained refraining", "doubt doubts doubted doubting", "seldom rarely", "except",
    "nicht", "nie niemals", "kein keine keinen keinem keiner keines", "pas", "jamais", "aucun aucune", "nunca jamás",
    "ningún ninguno ninguna", "non", "mai", "nessun nessuno nessuna", "não", "nenhum nenhuma", "niet", "nooit", "geen",
    "inte ikke", "aldrig aldri", "ingen", "değil",
    "不", "没 沒", "未", "无 無", "非", "否", "别", "莫", "לא", "אין", "ليس ليست", "لا", "لم", "لن",
    "не", "нет", "ни", "нельзя", "नहीं", "न", "मत", "δεν", "όχι", "μην",
)  # fmt: skip
HEDGES = _groups(
    "will would shall", "may might possibly perhaps maybe potentially possible", "can could", "should must ought",
    "alleged allegedly reportedly purported purportedly supposedly apparently", "if", "unless", "until",
    "almost nearly", "only", "all", "some", "most", "few", "many", "every", "any", "former", "acting", "fake",
    "last past", "next coming", "previous",
    "proposed", "planned", "attempted", "half",
    "expect expects expected", "likely", "threaten threatens threatened", "promise promises promised",
    "hope hopes hoped", "want wants wanted", "try tries tried trying", "claim claims claimed",
    "believe believes believed", "suspect suspects suspected", "consider considers considered considering",
)  # fmt: skip
PHRASES = frozenset(
    (
        ("far", "from"), ("short", "of"), ("anything", "but"), ("all", "but"), ("rather", "than"), ("instead", "of"),
        ("other", "than"), ("な", "い"), ("せ", "ん"), ("ไ", "ม"),
    )
)  # fmt: skip
"""Pairs of tokens that deny as one: "far from certain"; kana and Thai are read sign by sign."""
BOUNDS = frozenset(
    _words(
        "more less fewer least most over under above below about around roughly approximately some nearly almost up"
        " exactly minimum maximum beyond within"
    )
)
"""Words that, beside a number, say how the number is meant: "at least 30" is not "30"."""
OPPOSITES = frozenset(
    tuple(pair.split("/"))
    for pair in _words(
        "increase/decrease increase/reduce increase/fall increase/drop increase/cut rise/fall rise/drop"
        " rise/decline risen/fallen rose/fell grow/shrink grew/shrank raise/lower raise/cut raise/reduce"
        " gain/lose gain/loss profit/loss gained/lost expand/shrink improve/worsen up/down more/less"
        " more/fewer higher/lower high/low above/below over/under before/after first/last least/most"
        " minimum/maximum majority/minority support/oppose back/oppose support/criticise"
        " support/criticize favour/oppose favor/oppose for/against supporter/opponent supporter/critic"
        " pro/anti approve/reject accept/reject accept/refuse allow/ban allow/block permit/ban"
        " agree/disagree praise/condemn praise/criticise praise/criticize admit/deny confirm/deny"
        " affirm/deny guilty/innocent convict/acquit win/lose won/lost victory/defeat success/failure"
        " begin/end start/end start/stop began/ended open/close enter/leave arrive/leave join/leave"
        " buy/sell bought/sold buy/sold bought/sell import/export lend/borrow hire/fire appoint/dismiss"
        " push/pull attack/defend love/hate friend/enemy ally/enemy strong/weak strengthen/weaken"
        " safe/dangerous true/false good/bad better/worse best/worst optimistic/pessimistic peace/war"
        " ceasefire/attack north/south northern/southern east/west eastern/western left/right in/out"
        " with/without to/from inside/outside early/late earlier/later all/none always/never yes/no"
        " today/yesterday today/tomorrow yesterday/tomorrow day/night public/private national/foreign"
        " he/she him/her his/her husband/wife father/mother son/daughter brother/sister man/woman"
        " men/women and/or"
    )
)
THAT_CLAUSE = frozenset(_words("that whether because if when while who whom which whose what why how where"))
"""Words that open a clause of its own, whose subject is not that of the clause before."""
AUXILIARIES = frozenset(
    _words("is are was were be been has have had do does did will would shall can could may might must should")
)
NEGATIVE_PREFIXES = ("un", "in", "im", "il", "ir", "dis", "non", "anti", "mis", "de")
REPORTING = frozenset(_words("say says said saying tell tells told state states stated add adds added note noted"))
MONTHS = _words("january february march april may june july august september october november december")
MONTH_SHORT = {month[:3]: month for month in MONTHS} | {"sept": "september"}
WEEKDAYS = frozenset(_words("monday tuesday wednesday thursday friday saturday sunday"))
ONES = {
    word: value
    for value, word in enumerate(
        _words(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
            " fifteen sixteen seventeen eighteen nineteen"
        )
    )
}
TENS = {
    word: 10 * value
    for value, word in enumerate(_words("twenty thirty forty fifty sixty seventy eighty ninety"), start=2)
}
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
SHORT_SCALES = {"bn": 10**9, "mn": 10**6, "mln": 10**6, "tn": 10**12, "k": 1000}
ORDINALS = {
    word: value
    for value, word in enumerate(
        _words("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"), start=1
    )
}
QUANTITIES = frozenset(
    _words("hundreds thousands millions billions dozens dozen twice double triple quarter once")
    + _words("一 二 三 四 五 六 七 八 九 十 百 千 万 億 亿 两 兩 半")
)
UNITS = _groups(
    "% pc percent", "$ dollar dollars usd", "£ pound pounds gbp", "€ euro euros eur", "¥ yen jpy",
    "₹ rupee rupees inr", "km kilometre kilometres kilometer kilometers", "m metre metres meter meters",
    "mile miles", "kg kilo kilos kilogram kilograms", "t ton tons tonne tonnes",
    "l litre litres liter liters",
    "foot feet ft", "degree degrees °", "mw megawatt megawatts", "gw gigawatt gigawatts", "second seconds",
    "minute minutes", "hour hours", "day days", "week weeks", "month months", "year years", "decade decades",
    "inch inches", "acre acres", "hectare hectares", "gram grams", "watt watts", "mph", "kph", "knot knots",
    "point points", "barrel barrels", "florin florins", "crown crowns", "cent cents",
)  # fmt: skip
CURRENCIES = frozenset("$£€¥₹")
CONTRACTIONS = {"'s": "s", "'re": "are", "'ve": "have", "'ll": "will", "'d": "would", "'m": "am"}
TITLES = frozenset(
    _words(
        "president prime minister mayor king queen prince princess senator governor general colonel"
        " captain professor judge secretary chancellor ambassador chief former first vice deputy"
    )
)
LOOSE_NUMBERS = frozenset((*_words("once half 1"), "1 th", "2 th"))
ACRONYMS = frozenset(_words("us who it"))  # pronouns, unless written in capitals
_DEMONYMS = frozenset(("", *_words("ian n an ans ians ns s ese i is ish e a y")))
_ENDINGS = frozenset(("", *_words("s es ed d ing e ies y ied ying en n")))
_STEMMING = (
    ("ies", "y"),
    ("es", ""),
    ("s", ""),
    ("ied", "y"),
    ("ed", ""),
    ("d", ""),
    ("ing", ""),
    ("ing", "e"),
)


def bare(word: str) -> str:
    """The word without Latin diacritics; other scripts keep theirs, which there make the letter."""
    if word.isascii():
        return word
    stripped = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    return stripped if stripped.isascii() else word


@lru_cache(maxsize=4096)
def opposed(first: str, second: str) -> bool:
    """Whether two words point opposite ways: a pair of the lexicon, or one is the other negated."""
    for one in _stems(first):
        for two in _stems(second):
            if (one, two) in OPPOSITES or (two, one) in OPPOSITES:
                return True
    short, long = sorted((first, second), key=len)
    return len(short) > 3 and any(
        long.startswith(prefix) and inflected(long[len(prefix) :], short) for prefix in NEGATIVE_PREFIXES
    )


@lru_cache(maxsize=4096)
def _stems(word: str) -> tuple[str, ...]:
    found = [word]
    for ending, instead in _STEMMING:
        if word.endswith(ending) and len(word) - len(ending) > 2:
            found.append(word[: -len(ending)] + instead)
    found.extend(stem[:-1] for stem in tuple(found) if len(stem) > 3 and stem[-1] == stem[-2])
    return tuple(found)


def inflected(first: str, second: str) -> bool:
    """Whether two words are forms of one: a shared stem of three letters or more, common endings."""
    shared = 0
    for one, two in zip(first, second, strict=False):
        if one != two:
            break
        shared += 1
    if shared < 3:
        return False
    doubled = tuple(first[shared - 1] + ending for ending in ("ed", "ing", "en"))
    return all(rest in _ENDINGS or rest in doubled for rest in (first[shared:], second[shared:]))


def demonym(first: str, second: str) -> bool:
    """Whether two names are a place and its people: "iran" and "iranian"."""
    short, long = sorted((first, second), key=len)
    if len(short) < 4:
        return False
    stem = short.rstrip("aey") if len(short) > 4 else short
    return long.startswith(stem) and long[len(stem) :] in _DEMONYMS and short[len(stem) :] in _DEMONYMS
