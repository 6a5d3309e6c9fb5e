"""``tickloom company``: what stands behind a symbol."""

from __future__ import annotations

import rich_click as click

from tickloom.cli import cells
from tickloom.cli.inquiry import ask
from tickloom.cli.options import config_option, json_option
from tickloom.cli.output import make_console, plain, print_fields, print_json


@click.command()
@click.argument("symbol")
@config_option
@json_option
def company(*, symbol: str, config_file: str | None, as_json: bool) -> None:
    """Print what stands behind SYMBOL: name, venue, sector, size."""
    found = ask(config_file, lambda manager: manager.get_company_info(symbol), as_json=as_json)
    if as_json:
        print_json(found)
        return
    console = make_console()
    print_fields(
        console,
        {
            "Symbol": found.symbol,
            "Name": found.name,
            "Type": found.asset_type,
            "Exchange": found.exchange,
            "Currency": found.currency,
            "Country": found.country,
            "Sector": found.sector,
            "Industry": found.industry,
            "Website": found.website,
            "Employees": cells.count(found.employees) if found.employees else None,
            "Market value": cells.price(found.market_cap) if found.market_cap else None,
            "Shares": cells.count(found.shares_outstanding) if found.shares_outstanding else None,
            "Provider": found.provider,
            "As of": cells.moment(found.received_at),
        },
    )
    if found.description:
        console.print()
        console.print(plain(found.description))
