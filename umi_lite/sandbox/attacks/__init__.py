"""Programs that attack the sandbox, by family; `suite` runs them, confined and as no root."""
