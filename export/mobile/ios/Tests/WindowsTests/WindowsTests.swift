import XCTest

@testable import Windows

final class WindowsTests: XCTestCase {
    let song = (0..<2 * 1234).map { Float($0) * 0.0001 - 0.1 }

    func testWhatAGraphLeavesAsItIsComesBack() throws {
        for window in [100, 617, 1234, 5000] {
            let windows = Windows(window: window, context: 40, channels: 2)
            XCTAssertEqual(try windows.separate(song) { ["all": $0] }["all"], song)
        }
    }

    func testAWindowSeesItsContextAndZerosOutside() throws {
        func ahead(_ x: [Float]) -> [Float] {
            x.indices.map { x[$0] + ($0 + 80 < x.count ? x[$0 + 80] : 0) }
        }
        let windows = Windows(window: 100, context: 40, channels: 2)
        XCTAssertEqual(try windows.separate(song) { ["sum": ahead($0)] }["sum"], ahead(song))
    }

    func testWrongSongsAreRefused() {
        let windows = Windows(window: 100, context: 40, channels: 2)
        for wrong in [[], [0, 0, 0], [0, Float.nan]] {
            XCTAssertThrowsError(try windows.separate(wrong) { ["all": $0] })
        }
    }
}
