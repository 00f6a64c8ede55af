"""What can go wrong in the engine.

EngineError
├── ModelNotFound        no such folder, or no such model on the hub
├── ModelUnusable        found, but it cannot be served
│   ├── NotSafetensors   its weights are pickles, which can run code
│   ├── NotCausal        it does not complete text from left to right
│   └── ModelDamaged     files are missing, cut short or do not belong together
├── DeviceMissing        a device was asked for that is not there
├── AskInvalid           the numbers of a request make no sense
├── NoFim                a suffix was given to a model that cannot fill in the middle
├── GenerationGone       the generation a request is pinned to is not resident
├── AdapterCorrupt       an adapter folder is incomplete, changed or holds nothing
├── AdapterMismatch      a sound adapter, but for another model or under another name
├── ChangeLost           a fitting adapter whose change is rounded away when it is merged
└── EngineClosed         a request after `close`
"""


class EngineError(Exception):
    """The base of all; its text says what to do."""


class ModelNotFound(EngineError):
    pass


class ModelUnusable(EngineError):
    pass


class NotSafetensors(ModelUnusable):
    pass


class NotCausal(ModelUnusable):
    pass


class ModelDamaged(ModelUnusable):
    pass


class DeviceMissing(EngineError):
    pass


class AskInvalid(EngineError):
    pass


class NoFim(EngineError):
    pass


class GenerationGone(EngineError):
    pass


class AdapterCorrupt(EngineError):
    pass


class AdapterMismatch(EngineError):
    pass


class ChangeLost(EngineError):
    pass


class EngineClosed(EngineError):
    pass
