"""Changes of one place of a C source that some test should notice: a check is left out, bent or off by one.

mutants(source) yields (line, what, source of the mutant). It reads tokens, not C. A source that does not compile is no
mutant; the caller finds that out.
"""

import re

SWAPS = {
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "==": "!=",
    "!=": "==",
    "&&": "||",
    "||": "&&",
    " & ": " | ",
    " | ": " & ",
    " + ": " - ",
    " - ": " + ",
    "<<": ">>",
    ">>": "<<",
    "+=": "-=",
    "-=": "+=",
    "|=": "&=",
    "&=": "|=",
    "!": "",
}
# Comments, strings, characters and what the preprocessor reads are left alone.
SKIPPED = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|^\s*#(?:\\\n|[^\n])*', re.DOTALL | re.MULTILINE)
OPERATOR = re.compile(r"<<=|>>=|->|\+\+|--|<=|>=|==|!=|&&|\|\||<<|>>|\+=|-=|\|=|&=| & | \| | \+ | - |<|>|!(?!=)")
NUMBER = re.compile(r"(?<![\w.])(0x[0-9a-fA-F]+|\d+)(?=[uU]?\b)(?![\w.])")
CALL = re.compile(r"^( +)(?:\(void\))?[a-z]\w*\([^;{}]*\);$", re.MULTILINE)
RETURN = re.compile(r"^( +)return (?:HF_\w+|MALFORMED\(\w+\)|HF_VERDICT\([^;]*\)|false|0);$", re.MULTILINE)
EXCUSED = "not covered:"  # what no test can reach (tests/testkit/native_coverage.py)


def _blank(match):
    return re.sub(r"[^\n]", "\0", match.group())


def _places(source):
    """Yield (start, end, new text, what) of each change."""
    code = SKIPPED.sub(_blank, source)
    for match in OPERATOR.finditer(code):
        new = SWAPS.get(match.group())
        if new is not None:
            yield *match.span(), new, f"{match.group().strip()} -> {new.strip()}"
    for match in NUMBER.finditer(code):
        new = str(int(match.group(1), 0) + 1)
        yield *match.span(1), new, f"{match.group(1)} -> {new}"
    for pattern in (CALL, RETURN):
        for match in pattern.finditer(code):
            yield match.end(1), match.end(), ";", "without " + source[match.end(1) : match.end()].strip()


def mutants(source):
    """Yield (line, what, text) of each mutant of a source."""
    lines = source.splitlines()
    for start, end, new, what in sorted(_places(source)):
        line = source.count("\n", 0, start) + 1
        if EXCUSED not in lines[line - 1]:
            yield line, f"{what}   [{lines[line - 1].strip()}]", source[:start] + new + source[end:]
