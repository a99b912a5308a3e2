"""CSV files as they come, and one line for each that cannot be read."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_ce.data import DataError, Dataset, read_csv
from tinygrad_ce.data.tables import parse_csv


@pytest.fixture
def write(tmp_path):
    def written(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


PLAIN = "x,y,kind\n1,2.5,b\n-3,4e1,a\n5,6,b\n"


def check_plain(data):
    assert data.inputs.tolist() == [[1.0, 2.5], [-3.0, 40.0], [5.0, 6.0]]
    assert data.targets.tolist() == [1, 0, 1] and data.class_names == ("a", "b")
    assert data.feature_names in {("x", "y"), ()}


class TestGoodFiles:
    @pytest.mark.parametrize(
        "content",
        [
            PLAIN,
            PLAIN.rstrip("\n"),
            PLAIN.replace("\n", "\r\n"),
            PLAIN.replace("\n", "\r"),
            "\ufeff" + PLAIN,
            "\n\n" + PLAIN.replace("\n", "\n\n") + "  \n\n",
            PLAIN.replace(",", ";"),
            PLAIN.replace(",", "\t"),
            PLAIN.replace(",", " , "),
            PLAIN.split("\n", 1)[1],
            '"x","y","kind"\n"1","2.5","b"\n-3,"4e1",a\n5, "6", "b"\n',
        ],
    )
    def test_the_same_table_in_many_spellings(self, write, content):
        check_plain(read_csv(write(content)))

    def test_names_come_from_the_header_and_the_file(self, write):
        data = read_csv(str(write(PLAIN, "my table.csv")))
        assert isinstance(data, Dataset) and data.feature_names == ("x", "y")
        assert data.name == "my table" and data.source == "the file my table.csv"

    def test_target_by_name_wherever_it_stands(self, write):
        data = read_csv(write("kind,x,y\nb,1,2.5\na,-3,4e1\nb,5,6\n"), target="kind")
        check_plain(data)
        assert data.feature_names == ("x", "y")
        assert read_csv(write(PLAIN), target="kind").targets.tolist() == [1, 0, 1]

    def test_a_header_of_numbers_with_the_target_named(self, write):
        data = read_csv(write("0,1,2,label\n5,6,7,1\n8,9,10,0\n"), target="label")
        assert data.feature_names == ("0", "1", "2") and data.targets.tolist() == [1, 0]

    @pytest.mark.parametrize(
        ("labels", "names", "targets"),
        [
            (["10", "9", "2"], ("2", "9", "10"), [2, 1, 0]),
            (["1", "1.0", "0"], ("0", "1"), [1, 1, 0]),
            (["-1", "1", "-1"], ("-1", "1"), [0, 1, 0]),
            (["0.5", "2", "0.5"], ("0.5", "2"), [0, 1, 0]),
            (["10", "9", "b"], ("10", "9", "b"), [0, 1, 2]),
            (["none", "mild", "none"], ("mild", "none"), [1, 0, 1]),
            (["+", "-", "+"], ("+", "-"), [0, 1, 0]),
            (["18014398509481985", "18014398509481984", "1"], None, [2, 1, 0]),
            (["é", "e", "ß"], ("e", "ß", "é"), [2, 0, 1]),
        ],
    )
    def test_classes_are_sorted_by_value_or_by_name(self, write, labels, names, targets):
        data = read_csv(write("x,kind\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels))))
        assert data.targets.tolist() == targets and names in (data.class_names, None)

    def test_a_class_of_one_row_is_a_class(self, write):
        assert read_csv(write("x,kind\n1,a\n2,a\n3,b\n")).class_counts.tolist() == [2, 1]

    def test_quoted_cells_hold_delimiters_quotes_and_newlines(self, write):
        data = read_csv(write('"x, in\nmetres",kind\n1,"a, ""b"""\n2,"c\nd"\n'))
        assert data.feature_names == ("x, in\nmetres",) and data.class_names == ('a, "b"', "c\nd")

    @pytest.mark.parametrize("row", ["0,1,1", "1,2,3,a"])
    def test_a_small_first_row_is_not_taken_for_a_header(self, write, row):
        other = row.replace("1", "7").replace("a", "b")
        assert len(read_csv(write(f"{row}\n{other}\n"))) == 2

    def test_many_integer_classes_are_fine_when_they_repeat(self, write):
        rows = "".join(f"{i},{i % 150}\n" for i in range(600))
        assert len(read_csv(write("x,kind\n" + rows)).class_names) == 150


E9 = "x,y,kind\n1,2,a\n"

BAD = {
    "empty": ("", "an empty file"),
    "blank": ("\n \n\n", "an empty file"),
    "header only": ("x,y,kind\n\n", "line 1: only a header"),
    "one column": ("kind\na\nb\n", "line 1: only one column"),
    "unknown delimiter": ("1|2|a\n3|4|b\n", "line 1: only one column"),
    "short row": (E9 + "3,b\n", "line 3: 2 cells where line 1 has 3"),
    "long row": (E9 + "\n3,4,b,5\n", "line 4: 4 cells where line 1 has 3"),
    "one cell": (E9 + "b\n", "line 3: 1 cell where line 1 has 3"),
    "text": (E9 + "3,four,b\n", "line 3, column 'y': 'four' is not a number"),
    "text, no header": ("1,2,a\n3,four,b\n", "line 2, column 2: 'four' is not a number"),
    "underscore": (E9 + "3,1_0,b\n", "line 3, column 'y': '1_0' is not a number"),
    "empty cell": (E9 + "3,,b\n", "line 3, column 'y': an empty cell"),
    "empty first cell": (",2,a\n3,4,b\n", "line 1, column 1: an empty cell"),
    "blank cell": (E9 + "3,  ,b\n", "line 3, column 'y': an empty cell"),
    "empty row": (E9 + ",,\n", "line 3, column 'x': an empty cell"),
    "nan": (E9 + "NaN,4,b\n", "line 3, column 'x': 'NaN' is not a finite number"),
    "inf": (E9 + "3,-inf,b\n", "line 3, column 'y': '-inf' is not a finite number"),
    "overflow": (E9 + "3,1e999,b\n", "line 3, column 'y': '1e999' is not a finite number"),
    "missing": (E9 + "3,NA,b\n", "line 3, column 'y': 'NA' is not a finite number"),
    "missing at first": ("?,2,a\n3,4,b\n", "line 1, column 1: '?' is not a finite number"),
    "decimal commas": ("x;y;kind\n1,5;2;a\n2;3;b\n", "line 2, column 'x': '1,5' is not a number: write the"),
    "one class": ("x,kind\n1,a\n2,a\n", "column 'kind': every row has class 'a'"),
    "one row": ("1,2,a\n", "column 3: every row has class 'a'"),
    "duplicate names": ("x,kind,x,y\n1,2,3,a\n", "line 1, column 'x' (3): the same name as column 1"),
    "no name": (",x,kind\n0,1,a\n1,2,b\n", "line 1, column 1: no name in the header"),
    "no label": (E9 + "3,4,\n", "line 3, column 'kind': an empty class label"),
    "nan label": ("x,kind\n1,0\n2,nan\n3,1\n", "line 3, column 'kind': 'nan' is not a class"),
    "label missing": (
        "x,kind\n1,0\n2,NA\n3,1\n",
        "line 3, column 'kind': 'NA' among classes that are numbers",
    ),
    "not utf-8": (b"x,kind\n1,a\n2,caf\xe9\n", "line 3: byte 0xe9 is not UTF-8 text"),
    "utf-16": (PLAIN.encode("utf-16"), "line 1: UTF-16"),
    "binary": (b"x,kind\nPK\x03\x04\x00\x00", "line 2: a binary file"),
    "open quote": (E9 + '3,"4,b\n5,6,a\n', "line 3: not a row of cells"),
    "stray quote": (E9 + '3,"4"4,b\n', "line 3: not a row of cells"),
    "stray quote among tabs": ('x\tkind\n1\ta\n"2"3\tb\n', "line 3: not a row of cells"),
    "huge cell": ('x,kind\n1,a\n2,"' + "b" * 200_000 + '"\n', "line 3: not a row of cells"),
    "typo in the first row": ("5.1o,3,a\n4,5,a\n6,7,b\n", "line 1: read as a header because '5.1o'"),
    "header of numbers": ("0,1,2,label\n5,6,7,1\n8,9,1,0\n", "line 1: this line may be a header of numbers"),
    "header of numbers, text below": (
        "0,1,2,label\n5,6,7,a\n8,9,1,b\n5,6,7,a\n8,9,1,b\n",
        "line 1: this line may be a header of numbers",
    ),
    "after a quoted cell of two lines": (
        '"x\nin metres",y,kind\n1,2,"a\nb"\n3,oops,c\n',
        "line 5, column 'y': 'oops'",
    ),
    "in the second line of a row": ('x,kind,y\n1,"a\n\nb",oops\n', "line 2, column 'kind'"),
    "a long cell": (E9 + f"3,{'z' * 500},b\n", f"column 'y': '{'z' * 40}…' is not a number"),
    "control characters": (E9 + '3,"a\tb\nc",b\n', r"column 'y': 'a\tb\nc' is not a number"),
}


class TestBadFiles:
    @pytest.mark.parametrize("case", BAD)
    def test_one_line_says_what_and_where(self, write, case):
        content, words = BAD[case]
        path = write(content)
        with pytest.raises(DataError) as error:
            read_csv(path)
        message = str(error.value)
        assert message.startswith(str(path)) and words in message
        assert message.isprintable() and len(message) < len(str(path)) + 250

    def test_the_line_of_a_cell_after_a_quoted_one(self, write):
        path = write('kind,y\n"a\n\nb",oops\n"c",2\n')
        with pytest.raises(DataError, match="line 4, column 'y'"):
            read_csv(path, target="kind")

    def test_no_such_file(self, tmp_path):
        with pytest.raises(DataError, match=r"nowhere\.csv: no such file"):
            read_csv(tmp_path / "nowhere.csv")

    def test_a_directory(self, tmp_path):
        with pytest.raises(DataError, match="this is a directory"):
            read_csv(tmp_path)

    def test_a_path_through_a_file(self, write):
        with pytest.raises(DataError, match="cannot be read"):
            read_csv(write(PLAIN) / "below.csv")

    def test_a_name_with_a_newline_makes_no_second_line(self, tmp_path):
        with pytest.raises(DataError) as error:
            read_csv(tmp_path / "two\nlines.csv")
        assert "\n" not in str(error.value)

    def test_an_unknown_target_lists_the_names(self, write):
        with pytest.raises(DataError, match=r"line 1: no column 'sort': choose one of 'x', 'y', 'kind'"):
            read_csv(write(PLAIN), target="sort")

    def test_a_target_without_a_header(self, write):
        with pytest.raises(DataError, match=r"line 1: no header line, so no column 'kind'"):
            read_csv(write("1,2,a\n3,4,b\n"), target="kind")

    @pytest.mark.parametrize(
        "labels",
        [
            [f"{i / 7:.4f}" for i in range(30)],
            [str(i * 13 + 5) for i in range(150)],
            [f"name {i}" for i in range(150)],
        ],
    )
    def test_a_quantity_or_a_row_name_is_no_class(self, write, labels):
        path = write("x,price\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels)))
        with pytest.raises(DataError, match=r"column 'price': \d+ different labels in \d+ rows"):
            read_csv(path)


numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
words = st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="_"), min_size=1)


def is_name(text):
    """Neither blank at its ends, nor a number, nor a mark for a missing one."""
    try:
        return text == text.strip() and not isinstance(float(text), float)
    except ValueError:
        return text.lower() not in {"?", "-", "na", "n/a", "none", "null"}


@given(
    table=st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=2)
    ),
    kinds=st.lists(words.filter(is_name), min_size=2, max_size=4, unique=True),
    delimiter=st.sampled_from([",", ";", "\t"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_was_written_is_read(table, kinds, delimiter, newline, quoting):
    labels = [kinds[i % len(kinds)] for i in range(len(table))]
    names = [f"x{i}" for i in range(len(table[0]))] + ["kind of it"]
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=newline, quoting=quoting)
    writer.writerows([names, *([*map(repr, row), label] for row, label in zip(table, labels, strict=True))])
    data = parse_csv(file.getvalue(), "table.csv")
    np.testing.assert_array_equal(data.inputs, table)
    assert [data.class_names[k] for k in data.targets] == labels
    assert data.class_names == tuple(sorted(set(labels)))


@given(text=st.text(st.sampled_from('0123.,;\t\n\r"ab -eNn\x0b\u2028é')))
def test_any_text_is_a_table_or_one_line(text):
    try:
        data = parse_csv(text, "table.csv")
    except DataError as error:
        assert str(error).startswith("table.csv") and str(error).isprintable()
    else:
        assert len(data) >= 2 and np.isfinite(data.inputs).all() and len(data.class_names) >= 2


@given(content=st.binary())
def test_any_bytes_are_a_table_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.csv"
    path.write_bytes(content)
    try:
        read_csv(path)
    except DataError as error:
        assert str(error).isprintable()
