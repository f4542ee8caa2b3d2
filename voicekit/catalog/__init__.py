"""The SQL catalog: which voices exist, and what each came from. `store.SqlCatalog` implements ports.Catalog."""
