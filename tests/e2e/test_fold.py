"""The page's fold and the one of the server compute the same."""

import json

from tests.e2e.screen import Screen
from tests.fold_examples.generate import FOLDER

FOLD = """async events => {
    const { fold } = await import("/web/fold.js");
    return events.reduce((view, [seq, event]) => fold(view, event, seq), null);
}"""


async def test_both_folds_agree_on_every_example(screen: Screen) -> None:
    examples = [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))]
    assert examples

    folded = {example["name"]: await screen.page.evaluate(FOLD, example["events"]) for example in examples}

    assert folded == {example["name"]: example["view"] for example in examples}
