//! Where the members of a graph are drawn: linked ones near each other, none on top of another.
//!
//! The method is that of Fruchterman and Reingold (1991), with repulsion only between neighbouring cells of a grid.
//! It begins at places that follow from a seed, and uses only operations that IEEE 754 defines to the last bit, so
//! the same graph has the same layout everywhere.

/// How many steps it takes.
const STEPS: u32 = 100;

/// A place in a square from 0 to 1.
pub(crate) type Place = (f64, f64);

/// Places for this many nodes. A link is two nodes and its weight.
#[expect(clippy::cast_precision_loss, reason = "there are few thousand nodes")]
pub(crate) fn layout(nodes: usize, links: &[(usize, usize, f64)]) -> Vec<Place> {
    if nodes < 2 {
        return vec![(0.5, 0.5); nodes];
    }
    let mut places = begin(nodes);
    // The distance at which nodes would cover the square.
    let ideal = (1.0 / nodes as f64).sqrt();
    let mut degree = vec![0.0; nodes];
    for (one, other, weight) in links {
        degree[*one] += weight;
        degree[*other] += weight;
    }
    // Among many links of a member, a single one pulls less.
    let share = |(one, other, weight): &(usize, usize, f64)| {
        weight / (degree[*one] * degree[*other]).sqrt()
    };
    let shares: Vec<f64> = links.iter().map(share).collect();
    let mut moves = vec![(0.0, 0.0); nodes];
    let mut grid = Grid::new(ideal * 2.5);
    for step in 0..STEPS {
        moves.fill((0.0, 0.0));
        grid.fill(&places);
        for (node, moved) in moves.iter_mut().enumerate() {
            grid.push(node, &places, ideal, moved);
            // Weakly to the centre, so that parts without links stay in sight.
            let (x, y) = places[node];
            moved.0 -= (x - 0.5) * 0.9 * ideal;
            moved.1 -= (y - 0.5) * 0.9 * ideal;
        }
        for ((one, other, _), share) in links.iter().zip(&shares) {
            let (a, b) = (places[*one], places[*other]);
            let (x, y) = (b.0 - a.0, b.1 - a.1);
            let distance = (x * x + y * y).sqrt();
            let pull = (distance / ideal * share).min(2.0);
            let (x, y) = (x * pull, y * pull);
            moves[*one] = (moves[*one].0 + x, moves[*one].1 + y);
            moves[*other] = (moves[*other].0 - x, moves[*other].1 - y);
        }
        let left = f64::from(STEPS - step) / f64::from(STEPS);
        let longest = 0.08 * left * left + 0.0005;
        for (place, (x, y)) in places.iter_mut().zip(&moves) {
            let length = (x * x + y * y).sqrt();
            if length > 0.0 {
                let scale = length.min(longest) / length;
                *place = (place.0 + x * scale, place.1 + y * scale);
            }
        }
    }
    fit(&mut places);
    places
}

/// Places that follow from the nodes' numbers (`SplitMix64`).
fn begin(nodes: usize) -> Vec<Place> {
    let mut state = 0x70_72_6f_70_73_u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let high = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default();
        f64::from(high) / f64::from(u32::MAX)
    };
    (0..nodes).map(|_| (next(), next())).collect()
}

/// Scales places to the square.
fn fit(places: &mut [Place]) {
    let low = |get: fn(&Place) -> f64| places.iter().map(get).fold(f64::INFINITY, f64::min);
    let high = |get: fn(&Place) -> f64| places.iter().map(get).fold(f64::NEG_INFINITY, f64::max);
    let (left, top) = (low(|place| place.0), low(|place| place.1));
    let (right, bottom) = (high(|place| place.0), high(|place| place.1));
    let (width, height) = ((right - left).max(1e-9), (bottom - top).max(1e-9));
    for (x, y) in places {
        *x = (*x - left) / width;
        *y = (*y - top) / height;
    }
}

/// Nodes by the cell that they are in.
struct Grid {
    /// The size of a cell, within which nodes push each other.
    cell: f64,
    columns: i64,
    rows: i64,
    origin: Place,
    /// The nodes, by cell, and where each cell begins among them.
    nodes: Vec<usize>,
    begins: Vec<usize>,
    cells: Vec<usize>,
}

impl Grid {
    /// The most cells in a row or column.
    const MOST: i64 = 256;

    fn new(cell: f64) -> Self {
        Self {
            cell,
            columns: 1,
            rows: 1,
            origin: (0.0, 0.0),
            nodes: Vec::new(),
            begins: Vec::new(),
            cells: Vec::new(),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "it saturates, and is clamped"
    )]
    fn column_and_row(&self, place: Place) -> (i64, i64) {
        let column = ((place.0 - self.origin.0) / self.cell) as i64;
        let row = ((place.1 - self.origin.1) / self.cell) as i64;
        (
            column.clamp(0, self.columns - 1),
            row.clamp(0, self.rows - 1),
        )
    }

    fn cell_of(&self, column: i64, row: i64) -> usize {
        usize::try_from(row * self.columns + column).unwrap_or_default()
    }

    fn fill(&mut self, places: &[Place]) {
        let low = |get: fn(&Place) -> f64| places.iter().map(get).fold(f64::INFINITY, f64::min);
        self.origin = (low(|place| place.0), low(|place| place.1));
        (self.columns, self.rows) = (Self::MOST, Self::MOST);
        let all = places.iter().map(|place| self.column_and_row(*place));
        let (columns, rows) = all.fold((0, 0), |most, at| (most.0.max(at.0), most.1.max(at.1)));
        (self.columns, self.rows) = (columns + 1, rows + 1);
        self.cells.clear();
        self.begins.clear();
        self.begins.resize(self.cell_of(0, self.rows) + 1, 0);
        for place in places {
            let (column, row) = self.column_and_row(*place);
            let cell = self.cell_of(column, row);
            self.cells.push(cell);
            self.begins[cell + 1] += 1;
        }
        for cell in 1..self.begins.len() {
            self.begins[cell] += self.begins[cell - 1];
        }
        let mut free = self.begins.clone();
        self.nodes.clear();
        self.nodes.resize(places.len(), 0);
        for (node, cell) in self.cells.iter().enumerate() {
            self.nodes[free[*cell]] = node;
            free[*cell] += 1;
        }
    }

    /// Adds how the neighbours of a node push it.
    fn push(&self, node: usize, places: &[Place], ideal: f64, moved: &mut Place) {
        let (x, y) = places[node];
        let (column, row) = self.column_and_row((x, y));
        let reach = self.cell * self.cell;
        for row in (row - 1).max(0)..=(row + 1).min(self.rows - 1) {
            let first = self.cell_of((column - 1).max(0), row);
            let last = self.cell_of((column + 1).min(self.columns - 1), row);
            for other in &self.nodes[self.begins[first]..self.begins[last + 1]] {
                let (dx, dy) = (x - places[*other].0, y - places[*other].1);
                let square = dx * dx + dy * dy;
                if *other == node || square > reach {
                    continue;
                }
                let push = ideal * ideal / square.max(ideal * ideal * 0.01);
                moved.0 += dx * push;
                moved.1 += dy * push;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(one: Place, other: Place) -> f64 {
        ((one.0 - other.0).powi(2) + (one.1 - other.1).powi(2)).sqrt()
    }

    #[test]
    fn linked_nodes_are_near_each_other() {
        // Two groups in which everyone is linked, and one link between them.
        let mut links = Vec::new();
        for group in [0, 12] {
            for one in 0..12 {
                links.extend((0..one).map(|other| (group + one, group + other, 1.0)));
            }
        }
        links.push((0, 12, 1.0));
        let places = layout(24, &links);
        assert_eq!(places, layout(24, &links));
        let mean = |pairs: &mut dyn Iterator<Item = (usize, usize)>| {
            let distances: Vec<f64> = pairs
                .map(|(one, other)| distance(places[one], places[other]))
                .collect();
            #[expect(clippy::cast_precision_loss, reason = "there are few")]
            let count = distances.len() as f64;
            distances.iter().sum::<f64>() / count
        };
        let within = mean(&mut (1..12).map(|other| (0, other)));
        let between = mean(&mut (12..24).map(|other| (1, other)));
        assert!(within * 1.5 < between, "{within} {between}");
    }

    #[test]
    fn all_places_are_in_the_square() {
        for nodes in [0, 1, 2, 3, 50] {
            let places = layout(nodes, &[]);
            assert_eq!(places.len(), nodes);
            for (x, y) in places {
                assert!(
                    (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y),
                    "{x} {y}"
                );
            }
        }
    }
}
