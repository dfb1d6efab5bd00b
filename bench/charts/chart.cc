#include "bench/charts/chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bench/charts/axis.h"
#include "bench/report.h"

namespace sesame::bench {
namespace {

constexpr double kWidth = 720;
constexpr double kHeight = 440;
constexpr double kLeft = 72;
constexpr double kRight = 24;
constexpr double kTop = 48;
constexpr double kBottom = 56;
constexpr double kLegendRow = 18;
constexpr double kLargestDisc = 22;  // radius

// Told apart in print and by colour-blind eyes (Okabe and Ito's palette).
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};

const char* colour(std::size_t i) { return kColours[i % std::size(kColours)]; }

std::string number(double x) { return fixed(x, 1); }

std::string text_at(double x, double y, const std::string& text, const std::string& more = "") {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\"" + more + ">" + escape_xml(text) + "</text>\n";
}

std::string line_at(double x1, double y1, double x2, double y2, const std::string& more) {
  return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" + number(y2) +
         "\" " + more + "/>\n";
}

std::string header(double height, const std::string& title) {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(kWidth) + " " + number(height) +
         "\" width=\"" + number(kWidth) + "\" height=\"" + number(height) +
         "\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n<rect width=\"100%\" height=\"100%\" "
         "fill=\"white\"/>\n" +
         text_at(kWidth / 2, 24, title, " text-anchor=\"middle\" font-size=\"15\" font-weight=\"bold\"");
}

// Names too long for their column lose their middle: what they are and where they end tells them apart.
std::string shortened(const std::string& name) {
  constexpr std::size_t kMost = 48;
  constexpr std::size_t kStart = 14;
  if (name.size() <= kMost) return name;
  return name.substr(0, kStart) + "..." + name.substr(name.size() - (kMost - kStart - 3));
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  // Some air on both sides, so that no point lies on the frame.
  void widen(bool log, bool from_zero) {
    if (log) {
      low /= 1.25;
      high *= 1.25;
      return;
    }
    const double air = high > low ? (high - low) * 0.08 : std::max(std::abs(high) * 0.1, 1e-6);
    low = from_zero ? 0 : low - air;
    high += air;
  }
};

class Drawing {
 public:
  explicit Drawing(const Chart& chart) : chart_(chart), x_(x_axis()), y_(y_axis()) {
    for (const Series& series : chart.series) {
      for (const Point& each : series.points) largest_ = std::max(largest_, each.size);
    }
  }

  std::string svg() {
    const auto names = std::ranges::count_if(chart_.series, [](const Series& each) { return !each.name.empty(); });
    const double height = kHeight + kLegendRow * static_cast<double>((names + 1) / 2);
    std::string text = header(height, chart_.title) + axes();
    for (std::size_t i = 0; i < chart_.series.size(); ++i) text += series(chart_.series[i], colour(i), i % 2 == 0);
    return text + legend() + "</svg>\n";
  }

 private:
  Axis x_axis() const {
    Range range;
    for (const Series& series : chart_.series) {
      for (const Point& each : series.points) range.add(each.x);
    }
    range.widen(chart_.log_x, false);
    return {range.low, range.high, kLeft, kWidth - kRight, chart_.log_x};
  }

  Axis y_axis() const {
    Range range;
    for (const Series& series : chart_.series) {
      for (const Point& each : series.points) range.add(each.y);
    }
    range.widen(chart_.log_y, chart_.y_from_zero);
    return {range.low, range.high, kHeight - kBottom, kTop, chart_.log_y};
  }

  std::string axes() const {
    std::string text;
    for (const double tick : x_.ticks()) {
      text += line_at(x_.place(tick), kTop, x_.place(tick), kHeight - kBottom, "stroke=\"#e4e4e4\"");
      text += text_at(x_.place(tick), kHeight - kBottom + 18, tick_text(tick), " text-anchor=\"middle\"");
    }
    for (const double tick : y_.ticks()) {
      text += line_at(kLeft, y_.place(tick), kWidth - kRight, y_.place(tick), "stroke=\"#e4e4e4\"");
      text += text_at(kLeft - 8, y_.place(tick) + 4, tick_text(tick), " text-anchor=\"end\"");
    }
    text += line_at(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "stroke=\"#222\"");
    text += line_at(kLeft, kTop, kLeft, kHeight - kBottom, "stroke=\"#222\"");
    const double middle = (kTop + kHeight - kBottom) / 2;
    text += text_at((kLeft + kWidth - kRight) / 2, kHeight - 14, chart_.x_label, " text-anchor=\"middle\"");
    return text + text_at(18, middle, chart_.y_label,
                          " text-anchor=\"middle\" transform=\"rotate(-90 18 " + number(middle) + ")\"");
  }

  std::string path(const Series& series, const std::string& colour) const {
    std::vector<Point> points = series.points;
    std::ranges::stable_sort(points, {}, &Point::x);
    std::string coordinates;
    for (const Point& each : points) coordinates += number(x_.place(each.x)) + "," + number(y_.place(each.y)) + " ";
    return "<polyline fill=\"none\" stroke=\"" + colour + "\" stroke-width=\"2\"" +
           (series.is_dashed ? " stroke-dasharray=\"6 4\"" : "") + " points=\"" + coordinates + "\"/>\n";
  }

  // Labels are above and below in turns, so that neighbours keep out of each other's way.
  std::string series(const Series& series, const std::string& colour, bool is_above) const {
    std::string text = series.is_line && series.points.size() > 1 ? path(series, colour) : "";
    for (const Point& each : series.points) {
      const double radius = each.size > 0 ? kLargestDisc * std::sqrt(each.size / largest_) : 4;
      const double x = x_.place(each.x);
      const double y = y_.place(each.y);
      if (!series.is_dashed) {
        text += "<circle cx=\"" + number(x) + "\" cy=\"" + number(y) + "\" r=\"" + number(radius) + "\" fill=\"" +
                colour + "\" fill-opacity=\"" + (each.size > 0 ? "0.5" : "1") + "\"/>\n";
      }
      if (each.label.empty()) continue;
      const char* const anchor = x < kLeft + 110 ? "start" : x > kWidth - kRight - 110 ? "end" : "middle";
      const double beside = is_above ? -radius - 5 : radius + 14;
      text += text_at(x, y + beside, each.label, std::string(" font-size=\"11\" text-anchor=\"") + anchor + "\"");
    }
    return text;
  }

  // Below the picture, where no line can run through it: two columns.
  std::string legend() const {
    std::string text;
    std::size_t place = 0;
    for (std::size_t i = 0; i < chart_.series.size(); ++i) {
      const Series& each = chart_.series[i];
      if (each.name.empty()) continue;
      const double x = place % 2 == 0 ? kLeft : (kLeft + kWidth - kRight) / 2;
      const double y = kHeight + 6 + kLegendRow * static_cast<double>(place / 2);
      const std::string stroke = std::string("stroke-width=\"2\" stroke=\"") + colour(i) + "\"";
      text += line_at(x, y - 4, x + 24, y - 4, stroke + (each.is_dashed ? " stroke-dasharray=\"6 4\"" : ""));
      text += text_at(x + 30, y, each.name);
      ++place;
    }
    return text;
  }

  const Chart& chart_;
  Axis x_;
  Axis y_;
  double largest_ = 0;
};

}  // namespace

std::string escape_xml(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string to_svg(const Chart& chart) {
  const bool has_points = std::ranges::any_of(chart.series, [](const Series& each) { return !each.points.empty(); });
  if (has_points) return Drawing(chart).svg();
  return header(80, chart.title) + text_at(kWidth / 2, 56, "nothing was measured", " text-anchor=\"middle\"") +
         "</svg>\n";
}

std::string bars_to_svg(const std::string& title, const std::vector<Bar>& bars) {
  constexpr double kRow = 20;
  constexpr double kNames = 330;
  constexpr double kTexts = 120;
  double most = 0;
  for (const Bar& each : bars) most = std::max(most, each.value);
  std::string text = header(kTop + kRow * static_cast<double>(bars.size()) + 12, title);
  double y = kTop;
  for (const Bar& each : bars) {
    const double width = most > 0 ? (kWidth - kNames - kTexts) * each.value / most : 0;
    text += text_at(kNames - 8, y + 13, shortened(each.name), " text-anchor=\"end\" font-size=\"11\"");
    text += "<rect x=\"" + number(kNames) + "\" y=\"" + number(y + 3) + "\" width=\"" + number(width) +
            "\" height=\"13\" fill=\"" + colour(0) + "\"/>\n";
    text += text_at(kNames + width + 6, y + 13, each.text, " font-size=\"11\"");
    y += kRow;
  }
  return text + "</svg>\n";
}

}  // namespace sesame::bench
