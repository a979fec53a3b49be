"""The pages that list code say what the code says."""

import pytest

from docs.generate import FOLDER, PAGES, page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_lists_code_is_up_to_date(name: str) -> None:
    current = (FOLDER / name).read_text(encoding="utf-8")
    assert current == page(name), f"docs/{name} is out of date. Do: python -m docs.generate"
