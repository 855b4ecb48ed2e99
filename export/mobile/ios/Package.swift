// swift-tools-version:5.9
import PackageDescription

let package = Package(
    name: "Separator",
    platforms: [.iOS(.v13)],
    products: [.library(name: "Windows", targets: ["Windows"])],
    targets: [
        .target(name: "Windows"),
        .testTarget(name: "WindowsTests", dependencies: ["Windows"]),
    ]
)
