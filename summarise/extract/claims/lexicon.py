"""Words that can attribute a claim.

Invariant: everything here is general English written by hand; none of it comes from a document or from a model.
The lexicon is a filter with high recall: it only decides which words a question is asked about. Whether a word
attributes something, and to whom, is for the model to say.
"""

from __future__ import annotations

from typing import Final


def _forms(verb: str) -> tuple[str, str, str, str]:
    """Base, third person, past and present participle of a regular verb: claim, claims, claimed, claiming."""
    if verb.endswith("e"):
        return verb, verb + "s", verb + "d", verb[:-1] + "ing"
    if verb.endswith("y") and verb[-2] not in "aeou":
        return verb, verb[:-1] + "ies", verb[:-1] + "ied", verb + "ing"
    if verb.endswith(("s", "sh", "ch", "x", "z")):
        return verb, verb + "es", verb + "ed", verb + "ing"
    return verb, verb + "s", verb + "ed", verb + "ing"


# Regular verbs whose every form reads as a verb of saying, thinking or judging.
_PLAIN_VERBS: Final = """
accuse acknowledge admonish advise advocate affirm agree allege announce anticipate applaud appreciate argue
ascertain ask assert assure bemoan berate blame boast brag caution celebrate chide clarify complain concede conclude
concur condemn confess confirm confront congratulate consider contend criticize criticise declare decry denounce
deny deplore describe disagree disapprove disclose dismiss doubt emphasize emphasise encourage envision exclaim
exhort expect explain fume gloat grumble hint hope imagine imply indicate inquire insinuate insist interject joke
lament mock mull muse mutter note object oppose opine perceive persuade pledge posit praise predict presume proclaim
promise propose prove quip realize realise reassure reaffirm rebuff rebuke reckon recommend recount refuse refute
reiterate reject remark remind reply retort reveal ridicule scoff scold slam speculate stress suggest suspect taunt
tease testify theorize tout underline underscore urge vow want warn welcome whisper wonder worry assail bash belabor
decide fault label laud lambast lambaste marvel mention observe rail rant rebut recall regret stipulate swear tweet
vouch downplay
""".split()

# Verbs whose base and -s forms are as often nouns or names; those two count only before "that".
_NOUN_LIKE_VERBS: Final = """
address claim dispute answer appeal attack call challenge champion characterize charge chant cite comment contest
continue add conclude counter cry dare defend demand detail determine discount discover discuss endorse estimate
express fear favor favour figure forecast guess highlight identify intend invite judge learn maintain name notice
offer outline phrase picture plan plead point portray press profile project protest publish question quote raise
read reason reckon reference reflect refer regard repeat report request respond ruin sense shout sigh signal
state support suppose surmise submit survey threaten trumpet trust value venture view voice volunteer vote text type
hail blast slash rip back dub credit advertise bill brand compare deem depict liken diagnose warrant tell summarize
summarise hammer hit press chronicle accept admit admire assume attribute believe preach
""".split()

_IRREGULAR: Final = """
according said say says saying tells told telling thinks thought thinking think knows knew knowing feels felt wrote
written writes swore sworn understands understood foresaw foresees foresee shows shown showed believe believes calls
adds continues maintains cites describes intends responds admits admitted admitting fears regrets refers referred
referring ripped ripping slammed slamming regretted regretting quipped quipping bragging bragged touted disputes
disputed disputing sees saw rebutted rebutting seeks sought called calling accepts assumes views threatens argues
admires values discusses outlines heard hears learned meant means predicts forecast dismissed compelled reportedly
allegedly supposedly purportedly presumably apparently reported alleged believed rumored rumoured thought unclear
clear sure convinced confident afraid worried concerned optimistic skeptical sceptical hopeful doubtful seem seems
seemed appears appeared warrants suing sues sued petitioned petition termed dubbed singled
""".split()

# Nouns that stand for a saying or a thought; they count only before a word of NOUN_LINKS.
_NOUNS: Final = """
accusation accusations admission allegation allegations announcement argument arguments assertion assertions
assessment assurance assurances belief claim claims complaint complaints conclusion concern concerns condemnation
contention conviction criticism criticisms declaration demand demands denial denials doubt doubts estimate estimates
expectation expectations explanation fear fears forecast hope hopes implication insistence intention
intentions notion opinion outlook outrage pledge prediction predictions prospect promise promises proposal question
questions recommendation report reports request rumor rumors rumour rumours speculation statement suggestion
suspicion testimony threat threats view views vow warning warnings worries attack attacks appeal calls call
concession attempts
""".split()

_plain = {form for verb in _PLAIN_VERBS for form in _forms(verb)}
_past = {form for verb in _NOUN_LIKE_VERBS for form in _forms(verb)[2:]}
_present = {form for verb in _NOUN_LIKE_VERBS for form in _forms(verb)[:2]} | {"find", "finds", "found"}

#: Lower-case words that can attribute wherever they stand.
CUE_WORDS: Final[frozenset[str]] = frozenset(_plain | _past | set(_IRREGULAR)) - {"regarding"}
#: Lower-case words that can attribute when "that" follows.
CUE_BEFORE_CLAUSE: Final[frozenset[str]] = frozenset(_present) - CUE_WORDS
#: Those of them that also count when "to" follows.
CUE_BEFORE_INFINITIVE: Final[frozenset[str]] = frozenset(
    "plan plans intend intends threaten threatens offer offers vote votes plead pleads dare dares fear fears".split()
)
#: Lower-case nouns that can attribute when a word of NOUN_LINKS follows.
CUE_NOUNS: Final[frozenset[str]] = frozenset(_NOUNS) - CUE_WORDS
NOUN_LINKS: Final[frozenset[str]] = frozenset("that of from about by over against whether".split())
#: Words a cue takes along on its left: "has also denied", "did not say".
AUXILIARIES: Final[frozenset[str]] = frozenset(
    "has have had is are was were be been being do does did will would can could may might must should not also "
    "repeatedly publicly openly continually strongly sharply further largely still once never hasn't haven't "
    "didn't doesn't don't won't can't hasn’t haven’t didn’t doesn’t don’t won’t can’t".split()
)
#: Verbs that help others and never stand inside a noun phrase.
AUXILIARY_VERBS: Final[frozenset[str]] = frozenset(
    "is are was were be been being has have had will would can could may might must should do does did".split()
)
#: Cue words that make the claimant deny what follows.
DENIALS: Final[frozenset[str]] = frozenset(
    form for verb in ("deny", "refute", "dispute", "debunk") for form in _forms(verb)
) | frozenset({"rebut", "rebuts", "rebutted", "denial", "denials"})
#: Cue words that deny only when their object is itself a claim.
REJECTIONS: Final[frozenset[str]] = frozenset(form for verb in ("reject", "dismiss") for form in _forms(verb))
CLAIM_NOUNS: Final[frozenset[str]] = frozenset(
    "allegation allegations accusation accusations claim claims suggestion suggestions report reports charge "
    "charges idea notion criticism rumour rumours rumor rumors".split()
)
#: Verbs that may stand before their subject: "…, said the mayor".
INVERTING: Final[frozenset[str]] = frozenset(
    "say says said write writes wrote add adds added ask asks asked explain explains explained reply replies replied "
    "announce announces announced argue argues argued claim claims claimed insist insists insisted note notes noted "
    "observe observes observed recall recalls recalled continue continues continued conclude concludes concluded "
    "declare declares declared warn warns warned quip quips quipped joke jokes joked remark remarks remarked comment "
    "comments commented report reports reported suggest suggests suggested admit admits admitted acknowledge "
    "acknowledges acknowledged concede concedes conceded predict predicts predicted testify testifies testified state "
    "states stated exclaim exclaims exclaimed lament laments lamented muse muses mused tweet tweets tweeted complain "
    "complains complained confirm confirms confirmed agree agrees agreed boast boasts boasted think thinks thought "
    "believe believes believed read reads".split()
)
#: Verbs that report a statement whatever stands beside them.
SAYING: Final[frozenset[str]] = frozenset("say says said tell tells told".split())
#: Words that open a noun phrase and belong to it.
DETERMINERS: Final[frozenset[str]] = frozenset(
    "the a an his her its their our my this these some many most both".split()
)
