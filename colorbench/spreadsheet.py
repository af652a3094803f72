"""Spreadsheet: text in a CSV file that stays text in a program that takes cells for formulas.

Excel, LibreOffice and Google run a cell that begins with one of ``= + - @``, a tab or a carriage return, also one that
a stranger's file name wrote. An apostrophe before it makes it text (OWASP, "CSV Injection"). Numbers are no text.
"""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def guarded(text: str) -> str:
    """For the writer. Apostrophes that stand before such a beginning become one more, so that nothing is lost."""
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def plain(cell: str) -> str:
    """For the reader: the text that was guarded."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell
