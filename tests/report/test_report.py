"""The page, in a real browser: no error, and sorting, filters, slider and keys do what they say."""

import base64
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import Browser

from colorbench.commands.report import main
from colorbench.errors import UserError
from colorbench.evaluation.baselines import evaluate_baselines
from colorbench.report.columns import DERIVED
from colorbench.report.figures import make_figure
from colorbench.report.page.write import write_report
from colorbench.report.sheet import sheets

BROWSER = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)


@pytest.fixture(scope="module")
def outputs(judge, make_plan, data, cpu, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("outputs")
    evaluate_baselines(data, make_plan(), output=output, device=cpu)
    for name, factor, parameters in (("vivid", 0.9, 9000), ("dull", 0.4, 1000)):
        done = judge(output, name, factor, parameters=parameters)
        run = done.folder.parents[1]
        (run / "config.yaml").write_text(
            f"model: {{family: {name}, width: {parameters}}}\nrun: {{model: {name}}}\nseed: 0\n"
        )
        moments = [
            {
                "images_seen": 100 * i,
                "val/psnr": 10 + i * factor,
                "val/joint": 9 - i * factor,
                "train/seconds": 2.0 * i,
                "train/waiting_share": 0.0,
            }
            for i in range(5)
        ]
        moments[1]["nan"] = float("nan")
        (run / "metrics.jsonl").write_text("".join(json.dumps(m) + "\n" for m in moments) + '{"images_se')
    judge(output, "sampler", 0.7, spread=0.05, draws=4, parameters=5000)
    return output


@pytest.fixture(scope="module")
def page(outputs: Path, tmp_path_factory) -> Path:
    (sheet,) = sheets([outputs], metrics=["all"])
    return write_report(sheet, tmp_path_factory.mktemp("page") / "report.html", title="A <test> & report")


def payload(page: Path) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.S)[1])


def browse(page: Path, script: str = "", size: str = "1200,900") -> str:
    """The DOM after ``script`` ran at the end of the page; console errors fail the test."""
    trap = "<script>window.addEventListener('error', e => { document.title = 'ERROR ' + e.message; });</script>"
    probe = page.with_name("probe.html")
    run = f"<script>(async () => {{ {script} }})().catch(e => {{ document.title = 'ERROR ' + e.message; }});</script>"
    probe.write_text(page.read_text().replace("<head>", "<head>" + trap, 1).replace("</body>", run + "</body>"))
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--window-size={size}",
    ]
    command += [
        f"--user-data-dir={page.parent / 'profile'}",
        "--virtual-time-budget=4000",
        "--dump-dom",
        probe.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not console, console
    assert "<title>ERROR" not in done.stdout, re.search("<title>(.*?)</title>", done.stdout)[1]
    assert 'data-ready="true"' in done.stdout
    return done.stdout


REPORT = """
  const report = o => document.body.append(
    Object.assign(document.createElement('pre'), { id: 'result', hidden: true, textContent: JSON.stringify(o) }));
  const $$ = s => [...document.querySelectorAll(s)], at = id => document.getElementById(id);
"""


SCRIPT = """
  const rows = () => $$('#table tbody tr th').map(th => th.textContent);
  const cell = name => document.querySelector(`#table button[data-key="${name}"]`);
  cell('psnr').click();
  const down = rows(), aria = cell('psnr').closest('th').getAttribute('aria-sort');
  cell('psnr').click();
  const up = rows();
  cell('psnr').click();
  at('show-trivial').click();
  const models = rows(), find = at('find');
  find.value = 'viv';
  find.dispatchEvent(new Event('input'));
  const found = rows(), before = $$('#table thead th').length;
  $$('#columns input').find(i => !i.checked).click();
  const after = $$('#table thead th').length;

  const cards = () => $$('.card').map(c => Number(c.dataset.i));
  const set = (id, v) => { at(id).value = v; at(id).dispatchEvent(new Event('change')); return cards(); };
  set('order-metric', 'psnr');
  set('order-model', 'dull');
  const best = set('order', 'best'), worst = set('order', 'worst'), disputed = set('order', 'disputed');

  $$('.tile')[2].click();
  const viewer = at('viewer'), open = viewer.open, first = at('viewer-title').textContent, cut = at('cut');
  cut.value = 20;
  cut.dispatchEvent(new Event('input'));
  const bar = at('slider').style.getPropertyValue('--cut');
  await new Promise(r => setTimeout(r, 800));
  const heat = at('heat'), bytes = heat.getContext('2d').getImageData(0, 0, heat.width, heat.height).data;
  const lit = bytes.filter((v, i) => i % 4 === 0 && v > 20).length, label = heat.getAttribute('aria-label');
  viewer.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }));
  const second = at('viewer-title').textContent, samples = $$('#samples img').length;
  at('close').click();
  report({ down, up, aria, models, found, before, after, best, worst, disputed,
           words: $$('#curve-key option').map(o => o.textContent), open,
           first, second, bar, lit, label, samples, closed: !viewer.open });
"""


def results(page: Path, script: str, size: str = "1200,900") -> dict:
    """What ``script`` passes to report()."""
    dom = browse(page, REPORT + script, size)
    return json.loads(html.unescape(re.search(r'<pre id="result"[^>]*>(.*?)</pre>', dom, re.S)[1]))


needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def result(page: Path) -> dict:
    """One visit: the table is sorted and filtered, the gallery ordered, the viewer opened, moved and closed."""
    return results(page, SCRIPT)


def test_the_page_is_one_file_that_asks_nothing_of_a_network(page: Path) -> None:
    text = page.read_text()
    found: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.extend(v for k, v in attrs if k in ("src", "href") and v)

    Links().feed(text)
    assert all(link.startswith(("#", "data:")) for link in found), found
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert "A &lt;test&gt; &amp; report" in text


@pytest.mark.parametrize("title", ["{{data}}", "{{css}} {{js}}", "</title><script>alert(1)</script>", r"\1 \g<0>"])
def test_a_title_is_words_whatever_it_holds(title: str, outputs: Path, tmp_path: Path) -> None:
    (sheet,) = sheets([outputs], metrics=["psnr"])
    page = write_report(sheet, tmp_path / "report.html", title=title)
    assert page.read_text().count(html.escape(title)) == 2
    assert payload(page)["lines"]


def test_the_page_holds_every_number_of_the_table(page: Path, outputs: Path) -> None:
    (sheet,) = sheets([outputs], metrics=["all"])
    data = payload(page)
    assert [line["label"] for line in data["lines"]] == [line.label for line in sheet.lines]
    for label, row in sheet.cells.items():
        for name, cell in row.items():
            if cell.interval is not None:
                assert data["cells"][label][name]["m"] == pytest.approx(cell.interval.mean)
    assert data["cells"]["gray"]["ms_ssim"]["why"].startswith("MS-SSIM's five scales")
    assert data["configs"]["vivid"]["model.width"] == 9000
    assert data["curves"]["vivid"]["val/psnr"][0] == [0, 10]
    assert "nan" not in data["curves"]["vivid"]
    assert any("vivid leads (validation, joint score)" in note or "dull leads" in note for note in data["notes"])
    assert set(data["calibration"]) == {"sampler", "confetti", "marginal", "neighbors"}
    assert len(data["gallery"]["images"]["sampler"][0]) == 4


def test_gallery_pictures_are_the_judged_ones(page: Path, data) -> None:
    import io

    import numpy as np
    from PIL import Image

    uri = payload(page)["gallery"]["images"]["truth"][0][0]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB"), dtype=float)
    assert np.abs(picture - data.test.pixels[0].permute(1, 2, 0).numpy()).mean() < 8


def test_twelve_models_of_two_hundred_pictures_fit_in_twenty_megabytes(outputs: Path, tmp_path: Path) -> None:
    """The limit holds by construction; here it is set so tight that pictures must shrink and then be fewer."""
    (sheet,) = sheets([outputs], metrics=["all"])
    numbers = write_report(sheet, tmp_path / "full.html").stat().st_size
    small = write_report(sheet, tmp_path / "small.html", limit_mb=(numbers - 12_000) / 1e6)
    assert small.stat().st_size < numbers - 12_000
    assert 0 < len(payload(small)["gallery"]["names"]) <= 6


@needs_browser
def test_the_page_opens_without_an_error_and_shows_its_rows(page: Path) -> None:
    dom = browse(page)
    assert len(re.findall(r'<tr class="trivial"', dom)) >= 5
    assert re.search(r'<th scope="row">.*?vivid', dom)
    assert dom.count('class="card"') == 6
    assert all(re.search(r'alt="[^"]+"', tag) for tag in re.findall(r"<img [^>]*src=[^>]*>", dom.split("<dialog")[0]))


@needs_browser
def test_sorting_filters_and_columns_work(result: dict) -> None:
    assert result["down"][0] == "truth"
    assert result["up"][-1] == "truth"
    assert result["up"] != result["down"]
    assert result["aria"] == "descending"
    assert sorted(result["models"]) == ["dull", "sampler", "vivid"]
    assert result["found"] == ["vivid"]
    assert result["after"] == result["before"] + 1


@needs_browser
def test_what_can_be_chosen_is_said_in_words(result: dict) -> None:
    assert not [word for word in result["words"] if "_" in word or word.startswith(("val/", "train/"))]
    assert {"validation: joint score", "validation: PSNR", "training: seconds"} <= set(result["words"])


@needs_browser
def test_the_viewer_compares_maps_errors_and_listens_to_keys(result: dict) -> None:
    assert result["open"]
    assert result["closed"]
    assert result["first"] != result["second"]
    assert result["bar"] == "20%"
    assert result["lit"] > 50
    assert result["label"].startswith("Error map of")
    assert result["samples"] == 4 * 4  # draws of the four rows that draw


@needs_browser
def test_the_gallery_sorts_by_any_metric_of_any_model(page: Path, result: dict) -> None:
    values = payload(page)["values"]["psnr"]
    by_score = sorted(range(6), key=lambda i: -values["dull"][i])
    assert result["best"] == by_score
    assert result["worst"] == by_score[::-1]
    models = [values[m] for m in ("dull", "sampler", "vivid")]

    def spread(i: int) -> float:
        mean = sum(m[i] for m in models) / 3
        return sum((m[i] - mean) ** 2 for m in models)

    assert result["disputed"] == sorted(range(6), key=lambda i: -spread(i))


@needs_browser
def test_nothing_but_tables_scrolls_sideways_on_a_phone(page: Path) -> None:
    browser = Browser(page.parent, "390,844")
    try:
        browser.open(page.as_uri())
        browser.until("document.documentElement.dataset.ready")
        browser.value("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert browser.value("document.documentElement.scrollWidth") == 390
    finally:
        browser.close()


NAMED = """
  const box = e => e.getBoundingClientRect(), plots = ['pareto', 'dist'].map(at);
  const words = plots.flatMap(plot => [...plot.querySelectorAll('svg text.strong')]);
  const out = words.filter(e => box(e).left < box(e.closest('svg')).left || box(e).right > box(e.closest('svg')).right);
  const over = (a, b) => box(a).left < box(b).right && box(a).right > box(b).left
                         && box(a).top + 3 < box(b).bottom && box(a).bottom > box(b).top + 3;
  const names = [...at('pareto').querySelectorAll('svg text.strong')];
  const table = box(document.querySelector('.scroll')), head = document.querySelector('#table tbody th');
  report({ out: out.map(e => e.textContent), wide: box(head).width / table.width,
           over: names.flatMap((a, i) => names.slice(i + 1).filter(b => over(a, b)).map(b => b.textContent)),
           said: [...names, ...$$('#pareto .unnamed span')].map(e => e.textContent) });
"""


@needs_browser
@pytest.mark.parametrize("size", ["1200,900", "500,900"])
def test_rows_with_long_names_leave_room_for_numbers_and_lie_on_nothing(page: Path, tmp_path: Path, size: str) -> None:
    settings = "model.enlarge=learned weights.gap=1.5 init_from=flow-scenes-64px-seconds1300 budget.seconds=1500 width="
    long = {name: f"{name} {settings}{i}" for i, name in enumerate(("vivid", "dull", "sampler"))}
    text = page.read_text()
    for name, label in long.items():
        text = text.replace(f'"{name}"', f'"{label}"')
    renamed = tmp_path / "report.html"
    renamed.write_text(text)
    found = results(renamed, NAMED, size)
    assert found["out"] == found["over"] == []
    assert found["wide"] < 0.5
    assert all(any(said.rstrip("…") in label for said in found["said"]) for label in long.values())


def test_the_command_writes_the_page(outputs: Path, tmp_path: Path) -> None:
    main([str(outputs), "-o", str(tmp_path / "r.html")])
    assert (tmp_path / "r.html").stat().st_size > 50_000
    with pytest.raises(UserError, match="no such folder"):
        main([str(tmp_path / "nowhere")])


@pytest.mark.slow
def test_two_unlike_seeds_give_a_page_whose_intervals_lie_where_scores_do(
    judge, make_plan, data, cpu, tmp_path: Path
) -> None:
    plan = make_plan(limit=6)
    evaluate_baselines(data, plan, output=tmp_path, device=cpu)
    for seed, (factor, spread) in enumerate(((0.9, 0.4), (0.05, 0.0001))):
        judge(tmp_path, "vae", factor, spread=spread, draws=4, seed=seed, plan=plan)
    main([str(tmp_path), "-o", str(tmp_path / "p.html"), "--resamples", "400"])
    row = payload(tmp_path / "p.html")["cells"]["vae"]
    for name in ("spread_skill", "chroma_ratio", "flat_variation", "psnr"):
        assert 0 <= row[name]["l"] <= row[name]["m"] <= row[name]["h"], name


def test_a_column_without_a_number_says_so_and_leaves_the_page_standing(outputs: Path, tmp_path, monkeypatch) -> None:
    broken = replace(DERIVED["mean_drift"], function=lambda a, b: a * float("nan"))
    monkeypatch.setitem(DERIVED, "mean_drift", broken)
    main([str(outputs), "-o", str(tmp_path / "p.html"), "--resamples", "200"])
    cell = payload(tmp_path / "p.html")["cells"]["vivid"]["mean_drift"]
    assert "not a finite number" in cell["why"]


def test_figures_are_written_as_png_and_pdf(outputs: Path, tmp_path: Path) -> None:
    main([str(outputs), "-o", str(tmp_path / "r.html"), "--figures", str(tmp_path / "f")])
    names = {p.name for p in (tmp_path / "f").iterdir()}
    for name in ("intervals", "pareto", "distributions", "curves", "race", "gallery", "hue", "calibration"):
        assert {f"{name}.png", f"{name}.pdf"} <= names


def test_a_damaged_picture_is_an_empty_place_in_a_figure_that_stands(outputs: Path, tmp_path: Path) -> None:
    from matplotlib import pyplot as plt

    copy = shutil.copytree(outputs, tmp_path / "outputs")
    sheet = sheets([copy])[0]
    model = next(line for line in sheet.lines if line.kind == "model").evaluations[0]
    (model.folder / "gallery" / "00001-0.png").write_bytes(b"half a picture")
    figure = make_figure(sheet, "gallery")
    assert sum(len(axis.images) == 0 for axis in figure.axes) == 1
    plt.close(figure)
