"""SQLite: the only place with SQL. Imports nothing else of Unsay.

One module per noun; each is a set of functions whose first argument is a `Database`:

    from store import findings, ledger
    from store.database import open_database
    from store.home import Home

    db = open_database(Home(path))
    item = ledger.add(db, new_item)
"""
