import csv
import os
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lakepredict.demo.generate import generate_weekly_sales, is_holiday_week
from lakepredict.demo.sales import WEEKLY_SALES, read_weekly_sales
from lakepredict.errors import DataFileError

REAL_FILE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "walmart_weekly_sales.csv"
HEADER = "Store,Date,Weekly_Sales,Holiday_Flag,Temperature,Fuel_Price,CPI,Unemployment"
ROW = {
    "Store": "1",
    "Date": "05-02-2010",
    "Weekly_Sales": "1643690.9",
    "Holiday_Flag": "0",
    "Temperature": "42.31",
    "Fuel_Price": "2.572",
    "CPI": "211.0963582",
    "Unemployment": "8.106",
}
needs_real_file = pytest.mark.skipif(not REAL_FILE.exists(), reason="../shared/data has no walmart_weekly_sales.csv")


def line(**changes: str) -> str:
    return ",".join({**ROW, **changes}.values())


def refusal(folder: Path, content: str | bytes) -> str:
    """What is said about a file of this content, without the folder."""
    file = folder / "sales.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataFileError) as refused:
        read_weekly_sales(file)
    return str(refused.value).replace(f"{folder}{os.sep}", "")


def read(folder: Path, content: str | bytes) -> pa.Table:
    file = folder / "sales.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_weekly_sales(file)


@pytest.fixture(scope="module")
def generated() -> pa.Table:
    return generate_weekly_sales()


def by_store(table: pa.Table) -> np.ndarray:
    """Sales of shape (stores, weeks)."""
    stores = len(table.column("store").unique())
    return table.column("weekly_sales").to_numpy().reshape(stores, -1)


def total_of(table: pa.Table, week: date) -> float:
    return pc.sum(table.filter(pc.equal(table["week"], week))["weekly_sales"]).as_py()


# --- reading -----------------------------------------------------------------------------------------------


def test_values_arrive_in_their_types(tmp_path):
    """A row becomes the values of the table, in the order and the types of its schema."""
    table = read(tmp_path, f"{HEADER}\n{line(Holiday_Flag='1', Temperature='-2.06')}\n")
    expected = [
        {
            "store": 1,
            "week": date(2010, 2, 5),
            "weekly_sales": 1643690.9,
            "holiday": True,
            "temperature": -2.06,
            "fuel_price": 2.572,
            "cpi": 211.0963582,
            "unemployment": 8.106,
        }
    ]

    assert expected == table.to_pylist()
    assert table.schema.equals(WEEKLY_SALES)


def test_rows_are_sorted(tmp_path):
    """Rows come back by store as a number, then by week, in whatever order the file has them."""
    keys = [("10", "12-02-2010"), ("2", "19-02-2010"), ("10", "05-02-2010"), ("2", "05-02-2010")]
    table = read(tmp_path, "\n".join([HEADER, *(line(Store=store, Date=week) for store, week in keys)]))
    expected = [(2, 5), (2, 19), (10, 5), (10, 12)]

    assert expected == [(row["store"], row["week"].day) for row in table.to_pylist()]


def test_both_forms_of_date_may_be_mixed(tmp_path):
    """Each date is read as DD-MM-YYYY or as ISO by its own form."""
    table = read(tmp_path, "\n".join([HEADER, line(Date="05-02-2010"), line(Date="2010-02-12")]))

    assert [date(2010, 2, 5), date(2010, 2, 12)] == table["week"].to_pylist()


def test_header_in_another_order_and_case(tmp_path):
    """Columns are found by name, whatever their order, their case, blanks around them and columns between."""
    names = [f" {name.upper()}\t" for name in reversed(ROW)]
    content = ",".join(["note", *names, "", ""]) + "\n" + ",".join(["any", *reversed(ROW.values()), "", ""])

    assert read(tmp_path, f"{HEADER}\n{line()}").equals(read(tmp_path, content))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: b"\xef\xbb\xbf" + text.encode(), id="byte order mark"),
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="Windows line ends"),
        pytest.param(lambda text: text.replace("\n", "\r").encode(), id="old Mac line ends"),
        pytest.param(lambda text: text.replace("\n", "\n\n").encode() + b"\n\n", id="empty lines"),
        pytest.param(lambda text: text.replace("05-02-2010", '"05-02-2010"').encode(), id="quotes"),
    ],
)
def test_forms_of_the_same_file(tmp_path, change):
    """Byte order mark, line ends, empty lines and quotes make no difference."""
    text = "\n".join([HEADER, line(), line(Date="12-02-2010")])

    assert read(tmp_path, text).equals(read(tmp_path, change(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", 5.0), ("-.5", -0.5), ("+1.", 1.0), ("1.5e3", 1500.0), ("0", 0.0), ("1E-2", 0.01)],
)
def test_numbers(tmp_path, text, expected):
    """A number may have a sign, a decimal point and an exponent."""
    table = read(tmp_path, f"{HEADER}\n{line(Temperature=text)}")

    assert [expected] == table["temperature"].to_pylist()


def test_path_may_be_a_string(tmp_path):
    """A path is a string or a path object."""
    table = read(tmp_path, f"{HEADER}\n{line()}")

    assert table.equals(read_weekly_sales(str(tmp_path / "sales.csv")))


# --- refusing ----------------------------------------------------------------------------------------------


def test_missing_file(tmp_path):
    """A file that is not there is refused by its name."""
    with pytest.raises(DataFileError) as refused:
        read_weekly_sales(tmp_path / "none.csv")
    expected = (
        f"[DATA_FILE_INVALID] {tmp_path / 'none.csv'} cannot be opened.\n"
        "  expected: a CSV file\n"
        "  got:      No such file or directory\n"
        "  hint: check the path, and that you may read the file."
    )

    assert expected == str(refused.value)


def test_directory(tmp_path):
    """A directory is refused."""
    with pytest.raises(DataFileError, match="got:      Is a directory"):
        read_weekly_sales(tmp_path)


def test_file_without_permission(tmp_path):
    """A file that may not be read is refused."""
    file = tmp_path / "sales.csv"
    file.touch(mode=0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read every file")

    with pytest.raises(DataFileError, match="got:      Permission denied"):
        read_weekly_sales(file)


@pytest.mark.parametrize(
    ("content", "got"),
    [
        ("", "an empty file"),
        ("\ufeff", "an empty file"),
        ("\n\n", "an empty file"),
        (HEADER, "the header alone"),
        (f"{HEADER}\n\n", "the header alone"),
    ],
)
def test_file_without_rows(tmp_path, content, got):
    """A file without rows is refused, with or without a header."""
    expected = (
        "[DATA_FILE_INVALID] sales.csv has no rows of sales.\n"
        "  expected: a header, and a row for each store and week\n"
        f"  got:      {got}\n"
        "  hint: check that the file was written to its end."
    )

    assert expected == refusal(tmp_path, content)


def test_missing_columns(tmp_path):
    """All columns that the header lacks are named."""
    expected = (
        "[DATA_FILE_INVALID] sales.csv, line 1: the header does not name Holiday_Flag, CPI.\n"
        "  expected: Store, Date, Weekly_Sales, Holiday_Flag, Temperature, Fuel_Price, CPI, Unemployment,"
        " each once\n"
        "  got:      'Store,Date,Weekly_Sales,Holiday,Temperature,Fuel_Price,U...\n"
        "  hint: name the columns in the first row, separated by commas."
    )
    header = HEADER.replace("Holiday_Flag", "Holiday").replace("CPI,", "")

    assert expected == refusal(tmp_path, f"{header}\n{line()}")


def test_column_twice(tmp_path):
    """A column that the header names twice is refused, in whatever case it is written."""
    message = refusal(tmp_path, f"\n{HEADER},store,CPI \n{line()},1,2")
    expected = "[DATA_FILE_INVALID] sales.csv, line 2: the header repeats Store, CPI."

    assert expected == message.splitlines()[0]


@pytest.mark.parametrize(
    ("row", "problem", "got"),
    [
        ("1,05-02-2010", "few", "2: '1,05-02-2010'"),
        (" ", "few", "1: ' '"),
        (line() + ",", "many", "9: '1,05-02-2010,1643690.9,0,42.31,2.572,211.0963582,8.106,'"),
        (
            line(Weekly_Sales="1,643,690.90"),
            "many",
            "10: '1,05-02-2010,1,643,690.90,0,42.31,2.572,211.0963582,8.106'",
        ),
    ],
)
def test_row_of_another_width(tmp_path, row, problem, got):
    """A row with more or fewer values than the header has columns is refused."""
    expected = (
        f"[DATA_FILE_INVALID] sales.csv, line 3: the row has too {problem} values.\n"
        "  expected: 8 values, as many as the header has columns\n"
        f"  got:      {got}\n"
        "  hint: put a value with a comma in it between double quotes."
    )

    assert expected == refusal(tmp_path, f"{HEADER}\n{line()}\n{row}\n")


@pytest.mark.parametrize("column", ROW)
def test_empty_value(tmp_path, column):
    """An empty value is refused in every column."""
    message = refusal(tmp_path, f"{HEADER}\n{line(**{column: ''})}")

    assert f"[DATA_FILE_INVALID] sales.csv, line 2, column {column}: the value is missing." == message.splitlines()[0]


def test_bad_value_is_shown(tmp_path):
    """A refused value is named by file, line and column, and shown beside what its column takes."""
    expected = (
        "[DATA_FILE_INVALID] sales.csv, line 3, column Weekly_Sales: the value cannot be read.\n"
        "  expected: a finite number, for example 1643690.9\n"
        "  got:      '1,643,690.90'\n"
        "  hint: write numbers with a decimal point and without thousands separators, units or blanks."
    )
    row = line(Date="12-02-2010", Weekly_Sales='"1,643,690.90"')

    assert expected == refusal(tmp_path, f"{HEADER}\n{line()}\n{row}")


NOT_NUMBERS = [
    "nan",
    "inf",
    "-Infinity",
    "1e999",
    "1_000",
    "\uff11",
    " 1",
    "1 ",
    "1.2.3",
    "12,5",
    "$5",
    "0x1F",
    "e5",
    ".",
]
NOT_STORES = ["0", "-1", "+1", "1.0", "A", "2147483648", "9" * 5000, "1_0", "\u0661", " 1"]
NOT_DATES = [
    "31-02-2012",
    "02/05/2010",
    "5-2-2010",
    "05-13-2010",
    "2010-02-30",
    "2010-2-5",
    "00-01-2010",
    "0000-01-01",
    "05-02-10",
    "20100205",
    "05-02-2010 00:00",
    "\uff10\uff15-02-2010",
    "05-02-2010\n",
]
NOT_FLAGS = ["2", "true", "False", "00", "1.0", "yes", " 0"]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        *(("Weekly_Sales", text) for text in NOT_NUMBERS),
        *((column, "nan") for column in ("Temperature", "Fuel_Price", "CPI", "Unemployment")),
        *(("Store", text) for text in NOT_STORES),
        *(("Date", text) for text in NOT_DATES),
        *(("Holiday_Flag", text) for text in NOT_FLAGS),
    ],
)
def test_bad_values(tmp_path, column, text):
    """A value that its column does not take is refused, and shown as far as sixty characters go."""
    message = refusal(tmp_path, f"{HEADER}\n" + line(**{column: f'"{text}"'})).splitlines()
    shown = message[2].removeprefix("  got:      ")

    assert f"[DATA_FILE_INVALID] sales.csv, line 2, column {column}: the value cannot be read." == message[0]
    assert shown == (repr(text) if len(text) < 58 else "'" + text[:56] + "...")


def test_largest_store(tmp_path):
    """The largest store is the largest number of the column's type."""
    table = read(tmp_path, f"{HEADER}\n{line(Store='2147483647')}")
    expected = [2**31 - 1]

    assert expected == table["store"].to_pylist()


def test_line_after_values_with_line_breaks(tmp_path):
    """Lines are counted as an editor counts them, also after values with line breaks and empty lines."""
    content = f'{HEADER},Note\n{line()},"one\ntwo\r\nthree"\n\n{line(Date="12-02-2010", CPI="x")},"four\nfive"\n'

    assert "sales.csv, line 6, column CPI:" in refusal(tmp_path, content)


def test_two_rows_for_one_store_and_week(tmp_path):
    """Two rows for one store and week are refused with both their lines."""
    expected = (
        "[DATA_FILE_INVALID] sales.csv, lines 2 and 4: two rows for one store and week.\n"
        "  expected: one row for each store and week\n"
        "  got:      store 1, week 2010-02-05 on both lines\n"
        "  hint: leave out one of the two rows."
    )
    content = "\n".join([HEADER, line(), line(Store="2"), line(Date="2010-02-05", CPI="1")])

    assert expected == refusal(tmp_path, content)


def test_dates_that_are_not_whole_weeks_apart(tmp_path):
    """A date on another day of the week than the file's first one is refused."""
    expected = (
        "[DATA_FILE_INVALID] sales.csv, line 4, column Date: the date is not whole weeks from the first one"
        " of the file.\n"
        "  expected: a Friday, as 2010-02-12 is\n"
        "  got:      '02-05-2010', a Sunday\n"
        "  hint: give each week by its last day, and write the day before the month, or use ISO dates."
    )
    content = "\n".join([HEADER, line(Date="12-02-2010"), line(Date="05-02-2010"), line(Store="2", Date="02-05-2010")])

    assert expected == refusal(tmp_path, content)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_bytes_that_are_not_utf8(tmp_path, line_end, mark):
    """Bytes that are not UTF-8 are refused with their line, before anything else of the file."""
    expected = (
        "[DATA_FILE_INVALID] sales.csv, line 3: the text is not UTF-8.\n"
        "  expected: text in UTF-8\n"
        "  got:      b'\\xfc'\n"
        "  hint: save the file as UTF-8."
    )
    content = mark + line_end.join([HEADER, "Zür", "Zürich", ""]).encode().replace("Züri".encode(), b"Z\xfcri")

    assert expected == refusal(tmp_path, content)


def test_utf16(tmp_path):
    """A file in UTF-16 is refused, with or without a byte order mark."""
    text = f"{HEADER}\n{line()}"

    assert "line 1: the text is not UTF-8." in refusal(tmp_path, text.encode("utf-16"))
    assert "line 1: the text has a NUL character." in refusal(tmp_path, text.encode("utf-16-le"))


def test_nul_character(tmp_path):
    """A NUL character is refused with its line, even in a column that is not read."""
    expected = (
        "[DATA_FILE_INVALID] sales.csv, line 3: the text has a NUL character.\n"
        "  expected: text in UTF-8\n"
        "  got:      '\\x00'\n"
        "  hint: save the file as UTF-8; if it is, it is damaged."
    )

    assert expected == refusal(tmp_path, f"{HEADER},Note\n{line()},a\n{line(Store='2')},\0b\n")


@pytest.mark.parametrize(
    ("row", "got"),
    [
        ('"1,05-02-2010\n1', "unexpected end of data"),
        ('"1"x,05-02-2010', "',' expected after '\"'"),
        (line(Store="9" * 200_000), "field larger than field limit (131072)"),
    ],
)
def test_rows_that_are_not_csv(tmp_path, row, got):
    """A row that breaks the rules of CSV is refused with the line on which it starts."""
    expected = (
        "[DATA_FILE_INVALID] sales.csv, line 3: the row is not CSV.\n"
        "  expected: values separated by commas, and a closing quote for each opening one\n"
        f"  got:      {got}\n"
        "  hint: look for a quote that is not closed, in the row that starts on this line."
    )

    assert expected == refusal(tmp_path, f"{HEADER}\n{line()}\n{row}\n{line()}\n")


# --- the real file -----------------------------------------------------------------------------------------


@needs_real_file
def test_real_file():
    """The real file has 6,435 rows: 45 stores with 143 weeks each, none of them missing."""
    table = read_weekly_sales(REAL_FILE)
    weeks = [date(2010, 2, 5) + timedelta(weeks=index) for index in range(143)]
    expected = [(store, week) for store in range(1, 46) for week in weeks]

    assert expected == list(zip(table["store"].to_pylist(), table["week"].to_pylist(), strict=True))
    assert table.schema.equals(WEEKLY_SALES)


@needs_real_file
def test_holiday_weeks_of_the_real_file():
    """The rule for holiday weeks gives the flag of every row of the real file."""
    table = read_weekly_sales(REAL_FILE)

    assert table["holiday"].to_pylist() == [is_holiday_week(week) for week in table["week"].to_pylist()]


# --- the calendar ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "holiday",
    [
        date(2010, 2, 7),
        date(2021, 2, 7),
        date(2022, 2, 13),
        date(2025, 2, 9),
        date(2026, 2, 8),
        date(2025, 9, 1),
        date(2024, 9, 2),
        date(2023, 11, 23),
        date(2024, 11, 28),
        date(2024, 12, 25),
    ],
)
def test_weeks_with_a_holiday(holiday):
    """A week is a holiday week if it ends on the holiday or up to six days later."""
    actual = [is_holiday_week(holiday + timedelta(days=days)) for days in range(-1, 8)]
    expected = [False] + [True] * 7 + [False]

    assert expected == actual


def test_one_week_for_each_holiday():
    """Weeks that follow each other without a gap have four holiday weeks a year, whatever day they end on."""
    for offset in range(7):
        weeks = [date(2012, 1, 1) + timedelta(days=offset + 7 * index) for index in range(53)]
        expected = 4

        assert expected == sum(map(is_holiday_week, weeks))


# --- the generator -----------------------------------------------------------------------------------------


def test_generated_table(generated):
    """The generated table has a row for each store and week, without nulls, sorted by store and week."""
    weeks = [date(2023, 2, 3) + timedelta(weeks=index) for index in range(143)]

    assert generated.schema.equals(WEEKLY_SALES)
    assert weeks * 45 == generated["week"].to_pylist()
    assert [store for store in range(1, 46) for _ in weeks] == generated["store"].to_pylist()
    assert not any(column.null_count for column in generated.columns)
    assert [is_holiday_week(week) for week in weeks] * 45 == generated["holiday"].to_pylist()


def test_generated_values_are_fixed(generated):
    """The default arguments give these values, on every platform."""
    expected = [
        (1, date(2023, 2, 3), 524937.08, False, 23.75, 3.323, 280.075, 3.917),
        (45, date(2025, 10, 24), 366300.09, False, 65.27, 3.193, 314.62, 4.321),
    ]
    rows = [generated.slice(row, 1).to_pylist()[0] for row in (0, 6434)]

    assert expected == [tuple(row.values()) for row in rows]


def test_generated_table_is_repeatable(generated):
    """The same arguments give the same table, another seed another one."""
    assert generated.equals(generate_weekly_sales())
    assert not generated.equals(generate_weekly_sales(seed=1))


def test_smaller_table_is_a_part_of_the_larger(generated):
    """Fewer stores and weeks are the first stores and weeks of more."""
    smaller = generate_weekly_sales(stores=7, weeks=60)
    last_week = smaller["week"].to_pylist()[-1]
    part = generated.filter((pc.field("store") <= 7) & (pc.field("week") <= last_week))

    assert part.combine_chunks().equals(smaller)


def test_weeks_may_end_on_any_day():
    """Weeks end on the day of the week of the first one."""
    table = generate_weekly_sales(stores=1, weeks=60, first_week=date(2024, 2, 11))
    holidays = table.filter(table["holiday"])["week"].to_pylist()
    expected = [date(2024, 2, 11), date(2024, 9, 8), date(2024, 12, 1), date(2024, 12, 29), date(2025, 2, 9)]

    assert all(week.weekday() == 6 for week in table["week"].to_pylist())
    assert expected == holidays


@pytest.mark.parametrize("wrong", [{"stores": 0}, {"weeks": 0}, {"weeks": -1}, {"seed": -1}])
def test_arguments_out_of_range(wrong):
    """Fewer than one store or week, or a negative seed, is refused."""
    with pytest.raises(ValueError, match=r"at least 1|non-negative"):
        generate_weekly_sales(**wrong)


def test_generated_values_are_plausible(generated):
    """Stores are of very different size, and no column leaves the range of its unit."""
    means = by_store(generated).mean(axis=1)
    ranges = {name: pc.min_max(generated[name]).as_py() for name in WEEKLY_SALES.names[4:]}

    assert 0.2e6 < means.min() < 0.4e6
    assert 1.8e6 < means.max() < 2.6e6
    assert ranges["temperature"]["min"] > -10
    assert ranges["temperature"]["max"] < 115
    assert ranges["fuel_price"]["min"] > 2
    assert ranges["fuel_price"]["max"] < 6
    assert ranges["cpi"]["min"] > 270
    assert ranges["cpi"]["max"] < 360
    assert ranges["unemployment"]["min"] > 2
    assert ranges["unemployment"]["max"] < 10


def test_season(generated):
    """Thanksgiving and the week before Christmas stand out, January is low, summer is ordinary."""
    summer = total_of(generated, date(2023, 7, 14))
    ratios = {
        day: total_of(generated, day) / summer
        for day in (date(2023, 11, 24), date(2023, 12, 15), date(2023, 12, 22), date(2024, 1, 19))
    }

    assert 1.2 < ratios[date(2023, 11, 24)] < 1.5
    assert 1.1 < ratios[date(2023, 12, 15)] < 1.4
    assert 1.3 < ratios[date(2023, 12, 22)] < 1.8
    assert 0.8 < ratios[date(2024, 1, 19)] < 0.95


def test_last_year_is_a_fair_but_beatable_forecast(generated):
    """The same week of last year is a few percent wrong; carrying over the last weeks' growth is less so."""
    sales = by_store(generated)
    actual, last_year = sales[:, -8:], sales[:, -60:-52]
    growth = np.stack([sales[:, -8 - lag : -lag] / sales[:, -60 - lag : -52 - lag] for lag in range(1, 5)]).mean(axis=0)
    wrong, better = (np.abs(actual - forecast).sum() / actual.sum() for forecast in (last_year, last_year * growth))

    assert 0.05 < wrong < 0.08
    assert better < 0.85 * wrong


def test_noise_lasts(generated):
    """A store that grows more than usual in one week mostly does so in the next."""
    sales = np.log(by_store(generated))
    growth = sales[:, 52:] - sales[:, :-52]
    own = growth - growth.mean(axis=0) - growth.mean(axis=1, keepdims=True)
    next_week = np.mean([np.corrcoef(series[1:], series[:-1])[0, 1] for series in own])

    assert 0.25 < next_week < 0.65


def test_generated_table_survives_a_file(tmp_path):
    """A generated table that is written as CSV reads back the same."""
    table = generate_weekly_sales(stores=3, weeks=5)
    with open(tmp_path / "sales.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(ROW)
        writer.writerows({**row, "holiday": int(row["holiday"])}.values() for row in table.to_pylist())

    assert table.equals(read_weekly_sales(tmp_path / "sales.csv"))
