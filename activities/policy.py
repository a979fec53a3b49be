"""Asking the world for a verdict: conditions and hooks are evaluated here, and the pure judge puts them together."""

from collections.abc import Collection

from domain.approval import digest
from domain.ask_user import asks_user, problem, questions_in
from domain.content import JsonObject
from domain.facts import CallJudgement
from domain.ids import CallId
from domain.ports import Conditions, Hooks, Tools
from domain.question import Question
from domain.start import StartRequest
from domain.verdict import Judgement, Opinion, facts_of, judge_call
from domain.wording import NO_SUCH_TOOL


class PolicyCourt:
    """Needs the tools for their schemas, and what evaluates conditions and hooks."""

    def __init__(self, tools: Tools, conditions: Conditions, hooks: Hooks) -> None:
        self._tools, self._conditions, self._hooks = tools, conditions, hooks

    async def judge_call(
        self,
        request: StartRequest,
        call_id: CallId,
        name: str,
        arguments: JsonObject | str,
        grants: Collection[str],
    ) -> tuple[CallJudgement, JsonObject | None]:
        """The verdict, and the arguments with which a hook had the call go on, if one did."""
        given, opinions = arguments, list[Opinion]()
        invalid = self._invalid(request, name, arguments)
        if invalid is None and isinstance(arguments, dict):
            given, opinions = await self._heard(request, call_id, name, arguments)
            invalid = self._invalid(request, name, given) if given != arguments else None
        judgement = self._judge(request, call_id, name, given, opinions, grants)
        asked = invalid is None and judgement.verdict == "ask"
        changed = given if isinstance(given, dict) and given != arguments else None
        return (
            CallJudgement(
                call_id=call_id,
                verdict=judgement.verdict,
                because=judgement.because,
                reason=judgement.reason,
                allowed_decisions=judgement.allowed_decisions,
                expiry=judgement.expiry,
                approvers=judgement.approvers,
                always_allowable=judgement.always_allowable,
                digest=None if changed is None else digest(name, changed),
                invalid=invalid,
                questions=self._questions(request, name, given) if asked else (),
            ),
            changed,
        )

    async def judge_edit(self, request: StartRequest, call_id: CallId, name: str, edited: JsonObject) -> Judgement:
        """The verdict on arguments that a person wrote. Only a "deny" counts: what was approved runs as it stands."""
        _, opinions = await self._heard(request, call_id, name, edited)
        return self._judge(request, call_id, name, edited, opinions)

    async def _heard(
        self, request: StartRequest, call_id: CallId, name: str, arguments: JsonObject
    ) -> tuple[JsonObject, list[Opinion]]:
        """Each hook sees the arguments as the one before left them."""
        opinions = list[Opinion]()
        for hook in request.agent.policy.hooks if request.agent.policy.enabled else ():
            opinion = await self._hooks.ask(hook, facts_of(request, call_id, name, arguments))
            opinions.append(opinion)
            arguments = arguments if opinion.arguments is None else opinion.arguments
        return arguments, opinions

    def _judge(
        self,
        request: StartRequest,
        call_id: CallId,
        name: str,
        arguments: JsonObject | str,
        opinions: list[Opinion],
        grants: Collection[str] = (),
    ) -> Judgement:
        facts = facts_of(request, call_id, name, arguments if isinstance(arguments, dict) else {})
        return judge_call(request, facts, self._conditions.holds, opinions, grants)

    def _invalid(self, request: StartRequest, name: str, arguments: JsonObject | str) -> str | None:
        tool = request.agent.tool(name)
        if tool is None:
            return NO_SUCH_TOOL
        invalid = self._tools.invalid(tool, arguments)
        if invalid is None and asks_user(tool) and isinstance(arguments, dict):
            return problem(arguments)
        return invalid

    def _questions(self, request: StartRequest, name: str, arguments: JsonObject | str) -> tuple[Question, ...]:
        if not isinstance(arguments, dict) or not asks_user(request.agent.tool(name)):
            return ()
        return questions_in(arguments)
