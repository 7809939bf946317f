"""OTLP's messages under a second schema in which text and nested values stay bytes; built once, at import.

On the wire a `string`, a nested message and `bytes` look the same. Read as `bytes`, a string that is no UTF-8 does
not fail its whole request, a value nested a thousand deep does not fail its parser, and an attribute can be
recognised by its encoded bytes before anything is decoded. The official descriptors stay untouched: this is a pool
of its own.
"""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

_FILES = (common_pb2, resource_pb2, trace_pb2, logs_pb2, metrics_pb2)
_KEY_VALUE = ".opentelemetry.proto.common.v1.KeyValue"
_NESTED_VALUES = frozenset(("array_value", "kvlist_value"))


def _make_pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for module in _FILES:
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            _keep_bytes(message)
        pool.Add(file)
    pool.Add(_item_group())
    return pool


def _item_group() -> descriptor_pb2.FileDescriptorProto:
    """What ``ScopeSpans``, ``ScopeLogs`` and ``ScopeMetrics`` look alike: the scope (1) and the items (2), as bytes."""
    file = descriptor_pb2.FileDescriptorProto(name="stepwell/item_group.proto", package="opentelemetry.proto")
    message = file.message_type.add(name="ItemGroup")
    for number, name in enumerate(("scope", "items"), 1):
        kind, label = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES, descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        message.field.add(name=name, number=number, type=kind, label=label)
    return file


def _keep_bytes(message: descriptor_pb2.DescriptorProto) -> None:
    for field in message.field:
        is_text = field.type == descriptor_pb2.FieldDescriptorProto.TYPE_STRING
        if is_text or field.type_name == _KEY_VALUE or field.name in _NESTED_VALUES:
            field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
            field.ClearField("type_name")
    for nested in message.nested_type:
        _keep_bytes(nested)


def _message_class(pool: descriptor_pool.DescriptorPool, name: str) -> Any:
    """Dynamic by nature: its fields are known to protobuf only."""
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"opentelemetry.proto.{name}"))


_POOL = _make_pool()

Span: Final = _message_class(_POOL, "trace.v1.Span")
LogRecord: Final = _message_class(_POOL, "logs.v1.LogRecord")
NumberDataPoint: Final = _message_class(_POOL, "metrics.v1.NumberDataPoint")
Resource: Final = _message_class(_POOL, "resource.v1.Resource")
InstrumentationScope: Final = _message_class(_POOL, "common.v1.InstrumentationScope")
KeyValue: Final = _message_class(_POOL, "common.v1.KeyValue")
KeyValueList: Final = _message_class(_POOL, "common.v1.KeyValueList")
ItemGroup: Final = _message_class(_POOL, "ItemGroup")
ArrayValue: Final = _message_class(_POOL, "common.v1.ArrayValue")
