"""What Prometheus may ask this process: the readers it serves, and how many generations stand where."""

from collections.abc import Iterator, Mapping
from typing import Final, get_args

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.deps import PartsDep
from api.ports import Counts
from domain.record import ENDED, LiveStatus

router = APIRouter(tags=["health"])

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATUSES: Final = (*get_args(LiveStatus), *ENDED)


@router.get("/metrics", response_class=Response)
async def metrics(parts: PartsDep) -> Response:
    """In the text format of Prometheus. Numbers only; no ids, no names."""
    registry = CollectorRegistry()
    registry.register(Numbers(await parts.queries.counts(), parts.readers.counts))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE)


class Numbers(Collector):
    """`generations`: how many have which status; one that none has is 0, not missing."""

    def __init__(self, generations: Mapping[str, int], readers: Counts) -> None:
        self._generations, self._readers = generations, readers

    def collect(self) -> Iterator[Metric]:
        by_status = GaugeMetricFamily(
            "fermata_generations",
            "Generations in the record, live and ended; all together were created.",
            labels=["status"],
        )
        for status in STATUSES:
            by_status.add_metric([status], self._generations.get(status, 0))
        yield by_status
        readers = self._readers
        yield GaugeMetricFamily("fermata_readers", "Event streams open in this process.", readers.readers)
        yield CounterMetricFamily("fermata_readings", "Event streams opened.", readers.opened)
        yield CounterMetricFamily("fermata_replays", "Event streams opened with a cursor.", readers.replays)
        yield CounterMetricFamily("fermata_snapshots", "Snapshots sent to readers.", readers.snapshots)
        yield CounterMetricFamily("fermata_gaps", "Readers told of a gap.", readers.gaps)
        yield CounterMetricFamily("fermata_catch_ups", "Looks into the log beside the ring.", readers.catch_ups)
