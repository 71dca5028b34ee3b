"""What every record, adapter and view promises, as tests that other packages run on their own.

    from asbuilt.testing.adapter_contract import AdapterContract

    class TestMine(AdapterContract):
        module = mine
        vectors = Path(__file__).parent / "vectors" / "mine"

`record_contract`, `adapter_contract` and `view_contract` have a class each; `strategies` draws facts of every type.
They need the extra `testing` (pytest and Hypothesis), which nothing else in this package imports.
"""
