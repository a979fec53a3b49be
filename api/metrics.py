"""What Prometheus may ask this process: the readers it serves, and how many generations stand where."""

from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.deps import PartsDep
from api.ports import Parts

router = APIRouter(tags=["health"])

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/metrics", response_class=Response)
async def metrics(parts: PartsDep) -> Response:
    """In the text format of Prometheus. Numbers only; no ids, no names."""
    statuses = await parts.queries.counts()
    registry = CollectorRegistry()
    registry.register(_Numbers(parts, statuses))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE)


class _Numbers(Collector):
    def __init__(self, parts: Parts, statuses: dict[str, int]) -> None:
        self._counts, self._statuses = parts.readers.counts, statuses

    def collect(self) -> Iterator[Metric]:
        by_status = GaugeMetricFamily(
            "fermata_generations",
            "Generations in the record, live and ended; all together were created.",
            labels=["status"],
        )
        for status, number in sorted(self._statuses.items()):
            by_status.add_metric([status], number)
        yield by_status
        yield GaugeMetricFamily("fermata_readers", "Event streams open in this process.", self._counts.readers)
        yield CounterMetricFamily("fermata_readings", "Event streams opened.", self._counts.opened)
        yield CounterMetricFamily("fermata_snapshots", "Streams that began with a snapshot.", self._counts.snapshots)
        yield CounterMetricFamily("fermata_gaps", "Readers told of a gap.", self._counts.gaps)
        yield CounterMetricFamily("fermata_catch_ups", "Looks into the log beside the ring.", self._counts.catch_ups)
