import XCTest

@testable import Windows

final class WindowsTests: XCTestCase {
    let song = (0..<2 * 1234).map { Float($0) * 0.0001 - 0.1 }

    func testWhatAGraphLeavesAsItIsComesBack() throws {
        for window in [100, 617, 1234, 5000] {
            let windows = Windows(window: window, context: 40, channels: 2)
            XCTAssertEqual(try windows.separate(song) { ["all": inner($0)] }["all"], song)
        }
    }

    func testAWindowSeesItsContextAndZerosOutside() throws {
        let windows = Windows(window: 100, context: 40, channels: 2)
        // Adds the sample 40 later to every sample, as a graph that looks ahead would.
        let stems = try windows.separate(song) { x in
            ["sum": (0..<2 * 100).map { x[$0 + 80] + x[$0 + 160] }]
        }
        let expected = song.indices.map { song[$0] + ($0 + 80 < song.count ? song[$0 + 80] : 0) }
        XCTAssertEqual(stems["sum"], expected)
    }

    func testWrongSongsAreRefused() {
        let windows = Windows(window: 100, context: 40, channels: 2)
        for wrong in [[], [0, 0, 0], [0, Float.nan]] {
            XCTAssertThrowsError(try windows.separate(wrong) { ["all": inner($0)] })
        }
    }

    /// A graph that leaves what it keeps as it is: without the context.
    private func inner(_ waveform: [Float]) -> [Float] {
        Array(waveform[80..<(waveform.count - 80)])
    }
}
